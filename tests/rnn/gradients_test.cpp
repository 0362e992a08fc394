/// The device against the oracle: every output, every gradient tensor, every element.
#include <gtest/gtest.h>

#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/devices.hpp"
#include "support/harness.hpp"

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
        const Result out = run_on(device, p), ref = expected(p);
        EXPECT_TRUE(agree(p, out, ref, kDouble));
        worst.take(p, out, ref, kDouble);
    }
    record(what + " in f64", static_cast<int>(n), worst);
}

/// Each case with several draws of its numbers, more where there are few rows: in one draw of a small tensor the plain
/// algorithm may be lucky with its rounding.
void check_in_single(const std::string& what, const std::vector<Case>& cases) {
    int n = 0;
    const Device device = Device::cpu(1);
    Worst worst;
    for (Case c : cases) {
        std::map<std::string, Rounding> tensors;
        const std::int64_t draws = 5 + 60 / (c.steps * c.batch);
        for (std::int64_t draw = 0; draw < draws; ++draw, ++n) {
            c.seed += 10007;
            const Problem p = make_on(device, c, Precision::f32());
            const Result out = run_on(device, p), ref = expected(p), naive = naive_f32(p);
            std::map<std::string, const Tensor*> plain;
            for_each_tensor(p.spec, naive, naive,
                            [&](const std::string& name, const Tensor& t, const Tensor&) { plain[name] = &t; });
            for_each_tensor(p.spec, out, ref, [&](const std::string& name, const Tensor& a, const Tensor& b) {
                tensors[name].take(a, *plain.at(name), b);
            });
        }
        for (const auto& [name, rounding] : tensors) {
            EXPECT_LE(rounding.ratio(), 1) << c.name << ": " << name;
            worst.take(rounding.ratio(), c.name + " " + name);
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
TEST(SlowGradientsTest, SeveralChunks) { check_in_double("several chunks", chunked_cases()); }

TEST(GradientsTest, SingleLayersInSingle) { check_in_single("single layers", every(5, single_layer_cases())); }
TEST(GradientsTest, EdgeExtentsInSingle) { check_in_single("edge extents", every(7, edge_cases())); }
TEST(GradientsTest, StacksInSingle) { check_in_single("stacks", every(5, stack_cases(kStacks))); }
TEST(SlowGradientsTest, LongSequencesInSingle) { check_in_single("long sequences", every(3, long_cases())); }

}  // namespace
}  // namespace rondo::test
