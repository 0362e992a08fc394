/// The device against the oracle: every output, every gradient tensor, every element.
#include <gtest/gtest.h>

#include "scheduler/cell_info.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/devices.hpp"
#include "support/harness.hpp"
#include "support/naive.hpp"
#include "support/observed.hpp"

namespace rondo::test {
namespace {

/// The problem with the masks that the device itself draws.
Problem make_on(Device device, const Case& c, Precision precision) {
    Problem p = make_problem(c, precision);
    take_masks(device, p);
    return p;
}

void check_in_double(const std::string& what, const std::vector<Case>& cases) {
    const std::vector<Device> devices = cpu_devices();
    Worst worst;
    std::size_t n = 0;
    for (const Case& c : cases) {
        const Device& device = devices[n++ % devices.size()];
        const Problem p = make_on(device, c, Precision::f64());
        RnnHarness harness(device, p, Mode::training, {.observe = n % 3 != 0});
        const Result out = harness.run(), ref = expected(p);
        EXPECT_TRUE(agree(p, out, ref, kDouble));
        worst.take(p, out, ref, kDouble);
        if (!harness.observations) continue;
        const double observed = observed_ratio(harness, ref, kDouble);
        EXPECT_LE(observed, 1) << p.name << ": observed";
        worst.take(observed, p.name + " observed");
    }
    record(what + " in f64", static_cast<int>(n), worst);
}

/// Each case with several draws of its numbers: in one draw the plain algorithm may be lucky with its rounding, above all
/// where a tensor is small, or where many steps amplify what was rounded.
void check_in_single(const std::string& what, const std::vector<Case>& cases) {
    const std::vector<Device> devices = cpu_devices();
    const double unit = unit_roundoff(DType::f32);
    Worst worst;
    int n = 0;
    std::size_t seen = 0;
    for (Case c : cases) {
        if (!keeps_rounding_small(c.spec)) continue;
        const Device& device = devices[seen++ % devices.size()];
        std::map<std::string, StorageError> tensors;
        const std::int64_t draws = c.steps < 64 ? 5 + 60 / (c.steps * c.batch) : 20;
        for (std::int64_t draw = 0; draw < draws; ++draw, ++n) {
            c.seed += 10007;
            const Problem p = make_on(device, c, Precision::f32());
            const Result out = run_on(device, p), ref = expected(p), naive = naive_in_storage(p);
            std::map<std::string, const Tensor*> plain;
            for_each_tensor(p.spec, naive, naive,
                            [&](const std::string& name, const Tensor& t, const Tensor&) { plain[name] = &t; });
            for_each_tensor(p.spec, out, ref, [&](const std::string& name, const Tensor& a, const Tensor& b) {
                tensors[name].take(a, *plain.at(name), b);
            });
        }
        for (const auto& [name, rounding] : tensors) {
            EXPECT_LE(rounding.ratio(unit), 1) << c.name << ": " << name;
            worst.take(rounding.ratio(unit), c.name + " " + name);
        }
    }
    record(what + " in f32", n, worst);
}

std::vector<Case> every(std::size_t stride, const std::vector<Case>& cases) {
    std::vector<Case> some;
    for (std::size_t i = 0; i < cases.size(); i += stride) some.push_back(cases[i]);
    return some;
}

constexpr int kStacks = 400;

TEST(GradientsTest, ThereAreAThousandConfigurations) {
    EXPECT_GE(
        single_layer_cases().size() + edge_cases().size() + kStacks + long_cases().size() + chunked_cases().size(),
        1000u);
}

TEST(GradientsTest, SingleLayers) { check_in_double("single layers", single_layer_cases()); }
TEST(GradientsTest, EdgeExtents) { check_in_double("edge extents", edge_cases()); }
TEST(GradientsTest, Stacks) { check_in_double("stacks", stack_cases(kStacks)); }
TEST(SlowGradientsTest, LongSequences) { check_in_double("long sequences", long_cases()); }
TEST(SlowGradientsTest, Width127) { check_in_double("width 127", wide_cases()); }
TEST(SlowGradientsTest, SixThousandSteps) { check_in_double("6000 steps", endless_cases()); }
TEST(SlowGradientsTest, SeveralChunks) { check_in_double("several chunks", chunked_cases()); }

/// Gates wide open and shut: their derivatives are exactly zero, and nothing overflows on the way.
TEST(GradientsTest, SaturatedGates) {
    const std::vector<Device> devices = cpu_devices();
    Worst worst;
    int n = 0;
    for (const Case& c : single_layer_cases()) {
        Problem p = make_on(devices[0], c, Precision::f64());
        // Where f and i vanish at once the oracle divides 0 by 0, which 300 does not make them.
        const double most = c.spec.layers[0].cell == "minlstm" ? 300 : 800;
        Random random(c.seed);
        for (auto& [name, values] : p.inputs.parameters)
            if (name.rfind("bias_ih", 0) == 0)
                for (double& v : values)
                    if (random.below(2) == 0 && c.spec.layers[0].cell != "rnn_relu") v = random.below(2) ? most : -most;
        for (const Device& device : devices) {
            const Result out = run_on(device, p), ref = expected(p);
            EXPECT_TRUE(agree(p, out, ref, kDouble));
            worst.take(p, out, ref, kDouble);
            ++n;
        }
    }
    record("saturated gates in f64", n, worst);
}

TEST(ObservedTest, CountsGatesNearTheEndsOfTheirRange) {
    for (LayerSpec layer : cell_variants()) {
        layer.hidden = 12;
        layer.biases = Biases::two;
        if (cell_info(layer.cell, layer.options).clippable) layer.cell_clip = 0.5;  // which marks a gate
        for (const Precision& precision : {Precision::f64(), Precision::f32()}) {
            StackSpec spec{.input = 3, .layers = {layer}, .precision = precision};
            draw_nothing(spec);
            const Problem p = with_ends(random_problem(describe(layer), spec, 5, 3, {5, 2, 0}, 7));
            RnnHarness harness(Device::cpu(1), p, Mode::training, {.observe = true});
            harness.run();
            const Tensor told = harness.observations->get();
            ASSERT_EQ(harness.plan.observations.size(), 1u);
            for (const ObservationInfo& info : harness.plan.observations)
                for (std::int64_t t = 0; t < p.steps; ++t) {
                    const auto gates = told.begin() + info.offset + t * info.columns() + ObservationInfo::kFirstGate;
                    EXPECT_EQ(Tensor(gates, gates + info.columns() - ObservationInfo::kFirstGate),
                              expected_ends(harness, info, t))
                        << p.name << " step " << t;
                }
        }
    }
}

TEST(ObservedTest, IsRefusedWhereThePlanDidNotAskForIt) {
    const Problem p = make_problem(single_layer_cases().front());
    RnnHarness harness(Device::cpu(1), p);
    const ForwardToken token = harness.run_forward();
    double told = 0;
    harness.backward_args.observations = &told;
    EXPECT_THROW(harness.run_backward(token), Error);
    EXPECT_THROW(harness.rnn.plan({.steps = 2, .batch = 1, .mode = Mode::inference, .observe = true}), Error);
}

TEST(SlowGradientsTest, SingleLayersInSingle) { check_in_single("single layers", every(5, single_layer_cases())); }
TEST(GradientsTest, EdgeExtentsInSingle) { check_in_single("edge extents", every(7, edge_cases())); }
TEST(SlowGradientsTest, StacksInSingle) { check_in_single("stacks", every(5, stack_cases(kStacks))); }
TEST(SlowGradientsTest, LongSequencesInSingle) { check_in_single("long sequences", every(3, long_cases())); }

}  // namespace
}  // namespace rondo::test
