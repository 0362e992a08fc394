/// What must hold between two runs of a device, whatever the equations are: parts and wholes, forward and reverse.
#include <gtest/gtest.h>

#include "rnn/variations.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

/// Stacks that draw nothing: masks depend on an element's place, which the identities move.
std::vector<Problem> problems(int count, bool (*take)(const Case&)) {
    std::vector<Problem> list;
    for (Case& c : stack_cases(1000)) {
        draw_nothing(c.spec);
        if (take(c) && static_cast<int>(list.size()) < count) list.push_back(make_problem(c));
    }
    EXPECT_EQ(static_cast<int>(list.size()), count);
    return list;
}

bool is_ragged(const Case& c) { return !c.lengths.empty() && c.batch > 1; }
bool is_ragged_and_turns(const Case& c) { return is_ragged(c) && c.steps > 1; }
bool is_full(const Case& c) { return c.lengths.empty(); }
bool runs_forward(const Case& c) {
    return c.steps >= 4 && std::all_of(c.spec.layers.begin(), c.spec.layers.end(),
                                       [](const LayerSpec& layer) { return layer.direction == Direction::forward; });
}

const Device kDevice = Device::cpu(1);

/// Only parameter gradients and nothing else, for agree().
Result only_parameters(const Result& from, const Result& rest) {
    Result r = rest;
    r.dparameters = from.dparameters;
    return r;
}

TEST(IdentitiesTest, ChunksWithCarriedStateAreTheWhole) {
    for (const Problem& p : problems(20, runs_forward)) {
        const Result whole = run_on(kDevice, p);
        const std::int64_t cuts[] = {0, p.steps / 3, p.steps / 2, p.steps};
        std::vector<Problem> parts;
        Result joined;
        std::vector<Tensor> carried = p.inputs.states;
        auto append = [](Tensor& to, const Tensor& from) { to.insert(to.end(), from.begin(), from.end()); };
        joined.outputs.state_steps.resize(carried.size());
        for (int i = 0; i < 3; ++i) {
            Problem part = steps_problem(p, cuts[i], cuts[i + 1]);
            part.inputs.states = carried;
            const Result r = run_on(kDevice, part);
            append(joined.outputs.y, r.outputs.y);
            for (std::size_t s = 0; s < carried.size(); ++s)
                append(joined.outputs.state_steps[s], r.outputs.state_steps[s]);
            joined.outputs.final_states = carried = r.outputs.final_states;
            parts.push_back(part);
        }
        std::vector<Tensor> dcarried = p.upstream.final_states;
        for (int i = 3; i-- > 0;) {
            parts[static_cast<std::size_t>(i)].upstream.final_states = dcarried;
            const Result r = run_on(kDevice, parts[static_cast<std::size_t>(i)]);
            joined.dx.insert(joined.dx.begin(), r.dx.begin(), r.dx.end());
            joined.dstates = dcarried = r.dstates;
            add_parameter_gradients(joined, r);
        }
        EXPECT_TRUE(agree(p, joined, whole, kDouble));
    }
}

TEST(IdentitiesTest, PaddedBatchIsItsRowsOneByOne) {
    for (const Problem& p : problems(40, is_ragged)) {
        const Result batch = run_on(kDevice, p);
        Result sum;
        for (std::int64_t b = 0; b < p.batch; ++b) {
            const Result row = result_of_row(p, batch, b);
            if (p.length(b) == 0) {
                EXPECT_EQ(row.outputs.final_states, rows_of(p, p.inputs.states, b)) << p.name;
                EXPECT_EQ(row.dstates, rows_of(p, p.upstream.final_states, b)) << p.name;
                continue;
            }
            const Problem one = row_problem(p, b);
            Result alone = run_on(kDevice, one), valid = row;
            auto cut = [&](Tensor& t) { t = steps_of(t, p.steps, 0, one.steps); };
            cut(valid.outputs.y);
            cut(valid.dx);
            for (Tensor& t : valid.outputs.state_steps) cut(t);
            valid.dparameters = alone.dparameters;
            EXPECT_TRUE(agree(one, valid, alone, kDouble));
            add_parameter_gradients(sum, alone);
        }
        if (!sum.dparameters.empty()) {
            EXPECT_TRUE(agree(p, batch, only_parameters(sum, batch), kDouble));
        }
    }
}

/// So many gates that each step is a chunk of its own: one's gates must not overwrite the next one's.
TEST(SlowIdentitiesTest, RowsOfStepByStepChunksAreRowsAlone) {
    const StackSpec spec{.input = 1, .layers = {{.cell = "lstm", .hidden = 100}}, .precision = Precision::f64()};
    const Problem p = random_problem("1400 rows", spec, 4, 1400, {}, 9);
    const Result batch = run_on(kDevice, p);
    for (const std::int64_t b : {0, 1, 700, 1399}) {
        const Problem one = row_problem(p, b);
        Result alone = run_on(kDevice, one), row = result_of_row(p, batch, b);
        row.dparameters = alone.dparameters;
        EXPECT_TRUE(agree(one, row, alone, kDouble));
    }
}

TEST(IdentitiesTest, PaddingComesOutAsZeroAndAsCarriedState) {
    for (const Problem& p : problems(40, is_ragged)) {
        const Result r = run_on(kDevice, p);
        Result clean = r;
        fill_padding(p, clean.outputs.y, 0);
        fill_padding(p, clean.dx, 0);
        const auto states = reference::states(p.spec);
        for (std::size_t s = 0; s < states.size(); ++s)
            for (std::int64_t t = 0; t < p.steps; ++t)
                for (std::int64_t b = 0; b < p.batch; ++b)
                    if (t >= p.length(b)) {
                        // Forward, a row has ended and keeps its last state; in reverse it has not begun.
                        const auto& from = states[s].direction == 1 ? p.inputs.states[s] : r.outputs.final_states[s];
                        std::copy_n(from.begin() + b * states[s].width, states[s].width,
                                    clean.outputs.state_steps[s].begin() + (t * p.batch + b) * states[s].width);
                    }
        EXPECT_TRUE(agree(p, r, clean, {0, 0}));
    }
}

TEST(IdentitiesTest, PaddingMayHoldAnything) {
    for (const Problem& p : problems(40, is_ragged)) {
        RnnHarness with_nan(kDevice, p), with_huge(kDevice, padded_with(p, 1e300)),
            with_zero(kDevice, padded_with(p, 0));
        with_nan.run();
        with_huge.run();
        with_zero.run();
        EXPECT_EQ(with_nan.bits(), with_zero.bits()) << p.name;
        EXPECT_EQ(with_huge.bits(), with_zero.bits()) << p.name;
    }
}

TEST(IdentitiesTest, GradientOfABatchIsTheSumOfItsSamples) {
    for (const Problem& p : problems(30, is_full)) {
        const Result batch = run_on(kDevice, p);
        Result sum;
        for (std::int64_t b = 0; b < p.batch; ++b) add_parameter_gradients(sum, run_on(kDevice, row_problem(p, b)));
        EXPECT_TRUE(agree(p, batch, only_parameters(sum, batch), kDouble));
    }
}

TEST(IdentitiesTest, ReverseIsForwardOnReversedInput) {
    for (Case c : single_layer_cases()) {
        if (c.spec.layers[0].direction != Direction::reverse) continue;
        draw_nothing(c.spec);
        const Problem p = make_problem(c);
        Problem turned = p;
        turned.spec.layers[0].direction = Direction::forward;
        turned.inputs.parameters.clear();
        const std::string suffix = "_reverse";
        auto forward_name = [&](const std::string& name) { return name.substr(0, name.size() - suffix.size()); };
        for (const auto& [name, values] : p.inputs.parameters) turned.inputs.parameters[forward_name(name)] = values;
        turned.inputs.x = turned_round(p, p.inputs.x, p.spec.input);
        turned.upstream.y = turned_round(p, p.upstream.y, p.spec.output());
        const auto states = reference::states(p.spec);
        for (std::size_t s = 0; s < states.size(); ++s)
            turned.upstream.state_steps[s] = turned_round(p, p.upstream.state_steps[s], states[s].width);

        const Result reverse = run_on(kDevice, p);
        Result r = run_on(kDevice, turned);
        r.outputs.y = turned_round(p, r.outputs.y, p.spec.output());
        r.dx = turned_round(p, r.dx, p.spec.input);
        for (std::size_t s = 0; s < states.size(); ++s) {
            r.outputs.state_steps[s] = turned_round(p, r.outputs.state_steps[s], states[s].width);
            fill_padding(p, r.outputs.state_steps[s], 0);  // carried there from either end
        }
        Result expected_result = reverse;
        for (Tensor& t : expected_result.outputs.state_steps) fill_padding(p, t, 0);
        std::map<std::string, Tensor> renamed;
        for (const auto& [name, gradient] : r.dparameters) renamed[name + suffix] = gradient;
        r.dparameters = renamed;
        EXPECT_TRUE(agree(p, expected_result, r, kDouble));
    }
}

TEST(IdentitiesTest, TurnedRoundTwiceIsAsBefore) {
    for (const Problem& p : problems(5, is_ragged_and_turns)) {
        const Problem q = padded_with(p, 3);
        EXPECT_NE(turned_round(q, q.inputs.x, q.spec.input), q.inputs.x);
        EXPECT_EQ(turned_round(q, turned_round(q, q.inputs.x, q.spec.input), q.spec.input), q.inputs.x);
    }
}

}  // namespace
}  // namespace rondo::test
