/// The clip of the gradient inside the recurrence. It is no derivative of anything, so the oracle does one step at a
/// time, and the clip is written here between two steps.
#include <gtest/gtest.h>

#include "rnn/variations.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

using Clip = RecurrentClip;

/// One row of the gradient of h, as RecurrentClip says.
void clip_row(double* row, std::int64_t width, const Clip& clip) {
    double norm = 0;
    for (std::int64_t k = 0; k < width; ++k) norm += row[k] * row[k];
    norm = std::sqrt(norm);
    for (std::int64_t k = 0; k < width; ++k) {
        if (clip.kind == Clip::Kind::value) row[k] = std::clamp(row[k], -clip.limit, clip.limit);
        if (clip.kind == Clip::Kind::norm && norm > clip.limit) row[k] *= clip.limit / norm;
    }
}

/// The gradients of a stack of one layer and one direction, step by step.
Result expected_with_clip(const Problem& p) {
    Problem plain = p;
    plain.spec.recurrent_clip = {};
    const bool reverse = p.spec.layers[0].direction == Direction::reverse;
    Result result = expected(plain);  // its outputs stand; its gradients are made anew
    const Outputs& forward = result.outputs;
    const std::int64_t width = p.spec.layers[0].width();
    std::map<std::string, Tensor> dparameters;
    std::vector<Tensor> dstates = p.upstream.final_states;
    for (std::int64_t n = 0; n < p.steps; ++n) {  // against the loop's order
        const std::int64_t t = reverse ? n : p.steps - 1 - n, before = reverse ? t + 1 : t - 1;
        Problem step = steps_problem(plain, t, t + 1);
        for (std::size_t s = 0; s < dstates.size(); ++s)
            if (before >= 0 && before < p.steps)
                step.inputs.states[s] = steps_of(forward.state_steps[s], p.steps, before, before + 1);
        step.upstream.final_states = dstates;
        const Result r = expected(step);
        Result sum{{}, dparameters, {}, {}};
        add_parameter_gradients(sum, r);
        dparameters = sum.dparameters;
        std::copy(r.dx.begin(), r.dx.end(), result.dx.begin() + t * p.batch * p.spec.input);
        dstates = r.dstates;
        for (std::int64_t b = 0; b < p.batch; ++b)
            if (t < p.length(b)) clip_row(dstates[0].data() + b * width, width, p.spec.recurrent_clip);
    }
    result.dparameters = dparameters;
    result.dstates = dstates;
    return result;
}

double distance(const Problem& p, const Result& a, const Result& b) {
    double most = 0;
    for_each_tensor(p.spec, a, b, [&](const std::string&, const Tensor& u, const Tensor& v) {
        for (std::size_t i = 0; i < u.size(); ++i) most = std::max(most, std::abs(u[i] - v[i]));
    });
    return most;
}

TEST(RecurrentClipTest, EveryCellStepByStep) {
    const Device device = Device::cpu(1);
    Worst worst;
    int checked = 0, clipped = 0;
    for (const Case& c : single_layer_cases()) {
        if (c.spec.layers[0].direction == Direction::bidirectional || c.steps < 3 || !has_steps(c.spec)) continue;
        for (const Clip& clip : {Clip{Clip::Kind::value, 0.3}, Clip{Clip::Kind::norm, 0.6}}) {
            Problem p = make_problem(c);
            take_masks(device, p);
            p.name += clip.kind == Clip::Kind::value ? " clip by value" : " clip by norm";
            p.spec.recurrent_clip = clip;
            const Result out = run_on(device, p), ref = expected_with_clip(p);
            EXPECT_TRUE(agree(p, out, ref, kDouble));
            clipped += distance(p, expected(p), ref) > 1e-3;
            worst.take(p, out, ref, kDouble);
            ++checked;
        }
    }
    EXPECT_GE(checked, 100);
    EXPECT_GE(clipped, checked * 3 / 4) << "the limits must be ones that most gradients reach";
    record("recurrent clip", checked, worst);
}

/// Part of a stack as a stack of its own: layer l in one direction, its parameters renamed to layer 0.
Problem layer_alone(const Problem& p, std::size_t l, const Tensor& x, const Tensor& dy) {
    Problem one = p;
    one.name = p.name + " layer " + std::to_string(l);
    one.spec.input = reference::input_width(p.spec, static_cast<int>(l));
    one.spec.layers = {p.spec.layers[l]};
    one.inputs.x = x;
    one.upstream.y = dy;
    one.inputs.parameters.clear();
    const std::string from = "_l" + std::to_string(l);
    for (const auto& [name, values] : p.inputs.parameters)
        if (const auto at = name.find(from); at != std::string::npos)
            one.inputs.parameters[name.substr(0, at) + "_l0" + name.substr(at + from.size())] = values;
    const std::vector<reference::State> states = reference::states(p.spec);
    for (auto* list : {&one.inputs.states, &one.upstream.final_states, &one.upstream.state_steps}) {
        std::vector<Tensor> own;
        for (std::size_t s = 0; s < states.size(); ++s)
            if (states[s].layer == static_cast<int>(l)) own.push_back((*list)[s]);
        *list = own;
    }
    return one;
}

TEST(RecurrentClipTest, AStackClipsInEveryLayer) {
    const Device device = Device::cpu(1);
    LayerSpec lstm{.cell = "lstm", .hidden = 5, .projection = 3}, gru{.cell = "gru", .hidden = 4};
    gru.direction = Direction::reverse;
    for (const Clip& clip : {Clip{Clip::Kind::value, 0.2}, Clip{Clip::Kind::norm, 0.4}}) {
        const StackSpec spec{.input = 3, .layers = {lstm, gru}, .precision = Precision::f64(), .recurrent_clip = clip};
        const Problem p = random_problem("stack", spec, 7, 3, {7, 4, 0}, 21);
        const Result out = run_on(device, p);
        const Problem bottom_forward = layer_alone(p, 0, p.inputs.x, {});
        const Tensor between = expected(bottom_forward).outputs.y;
        const Result top = expected_with_clip(layer_alone(p, 1, between, p.upstream.y));
        const Result bottom = expected_with_clip(layer_alone(p, 0, p.inputs.x, top.dx));
        EXPECT_LE(error_ratio(out.dx, bottom.dx, kDouble), 1);
        EXPECT_LE(error_ratio(out.dparameters.at("weight_hh_l1_reverse"), top.dparameters.at("weight_hh_l0_reverse"),
                              kDouble),
                  1);
        EXPECT_LE(error_ratio(out.dparameters.at("weight_ih_l0"), bottom.dparameters.at("weight_ih_l0"), kDouble), 1);
        EXPECT_LE(error_ratio(out.dstates[0], bottom.dstates[0], kDouble), 1);
        EXPECT_LE(error_ratio(out.dstates[2], top.dstates[0], kDouble), 1);
    }
}

TEST(RecurrentClipTest, ALimitThatNothingReachesChangesNoBit) {
    for (const Case& c : stack_cases(30)) {
        if (!has_steps(c.spec)) continue;
        const Problem p = make_problem(c);
        Problem loose = p;
        loose.spec.recurrent_clip = {Clip::Kind::value, 1e6};
        RnnHarness plain(Device::cpu(1), p), clipped(Device::cpu(1), loose);
        plain.run();
        clipped.run();
        EXPECT_EQ(plain.bits(), clipped.bits()) << p.name;
    }
}

}  // namespace
}  // namespace rondo::test
