/// Dropout's masks: what they hold, what they depend on and what they do not.
#include <gtest/gtest.h>

#include <set>

#include "scheduler/noise.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

Problem dropping(double rate, bool per_sequence, RandomState random, Precision precision = Precision::f64()) {
    LayerSpec layer{.cell = "gru", .hidden = 16, .dropout = rate, .dropout_per_sequence = per_sequence};
    const StackSpec spec{.input = 16, .layers = {layer, layer}, .precision = precision};
    Problem p = random_problem("dropout", spec, 40, 9, {}, 8);
    p.random = random;
    take_masks(Device::cpu(1), p);
    return p;
}

using Masks = std::vector<Tensor>;
Masks masks(double rate, bool per_sequence, RandomState random) {
    return dropping(rate, per_sequence, random).inputs.masks;
}

TEST(RnnDropoutTest, MasksKeepTheirShareAndScaleIt) {
    for (const double rate : {0.1, 0.5, 0.9})
        for (const Tensor& mask : masks(rate, false, {1, 2})) {
            double kept = 0;
            for (const double v : mask) {
                EXPECT_TRUE(v == 0 || std::abs(v - 1 / (1 - rate)) < 1e-15) << v;
                kept += v != 0;
            }
            const double n = static_cast<double>(mask.size()), deviation = std::sqrt(n * rate * (1 - rate));
            EXPECT_NEAR(kept, n * (1 - rate), 5 * deviation);
        }
}

TEST(RnnDropoutTest, MasksDependOnSeedStepAndLayerAlone) {
    const Masks base = masks(0.5, false, {1, 2});
    EXPECT_EQ(base, masks(0.5, false, {1, 2}));
    std::set<Tensor> different{base[0], base[1]};
    for (const RandomState& random : {RandomState{2, 2}, RandomState{1, 3}, RandomState{1ull << 40, 2},
                                      RandomState{1, 1ull << 40}, RandomState{2, 1}})
        for (const Tensor& mask : masks(0.5, false, random)) different.insert(mask);
    EXPECT_EQ(different.size(), 12u);
}

/// Of its input, of h and W_hh inside it and of its zoneout, in either direction.
TEST(RnnDropoutTest, ALayerDrawsEverythingForItself) {
    std::set<std::uint64_t> sites;
    for (int layer = 0; layer < 3; ++layer) {
        sites.insert(static_cast<std::uint64_t>(layer));
        for (const bool reverse : {false, true})
            for (const Draw draw : {Draw::recurrent, Draw::weight, Draw::zoneout, Draw::zoneout_cell})
                sites.insert(site_of(layer, reverse, draw));
    }
    EXPECT_EQ(sites.size(), 27u);
}

TEST(RnnDropoutTest, NeighbouringElementsAreIndependent) {
    const Problem p = dropping(0.5, false, {3, 4});
    const Tensor& mask = p.inputs.masks[0];
    const std::size_t step = 9 * 16, n = mask.size() - step;
    for (const std::size_t lag : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{16}, step}) {
        double same = 0;
        for (std::size_t i = 0; i < n; ++i) same += (mask[i] == 0) == (mask[i + lag] == 0);
        EXPECT_NEAR(same, 0.5 * static_cast<double>(n), 5 * std::sqrt(static_cast<double>(n)) / 2) << "lag " << lag;
    }
}

TEST(RnnDropoutTest, OneMaskASequenceServesEveryStep) {
    for (const Tensor& mask : masks(0.5, true, {1, 2})) {
        const std::size_t step = 9 * 16;
        for (std::size_t i = 0; i < mask.size(); ++i) ASSERT_EQ(mask[i], mask[i % step]) << i;
        EXPECT_NE(Tensor(mask.begin(), mask.begin() + 16), Tensor(mask.begin() + 16, mask.begin() + 32)) << "rows";
    }
}

TEST(RnnDropoutTest, PrecisionsDropTheSameElements) {
    const Tensor wide = dropping(0.5, false, {1, 2}).inputs.masks[1];
    EXPECT_EQ(wide, dropping(0.5, false, {1, 2}, Precision::f32()).inputs.masks[1]);
}

TEST(RnnDropoutTest, TheStepIsReadFromMemoryAtEveryCall) {
    const Problem p = dropping(0.5, false, {1, 2}), next = dropping(0.5, false, {1, 3});
    RnnHarness h(Device::cpu(1), p), fresh(Device::cpu(1), next);
    h.run();
    const auto first = h.y->bytes();
    const RandomState random{1, 3};
    h.forward_args.random = h.backward_args.random = &random;  // a host's memory is a CPU device's
    h.run();
    fresh.run();
    EXPECT_NE(h.y->bytes(), first);
    EXPECT_EQ(h.bits(), fresh.bits());
}

TEST(RnnDropoutTest, DroppedInputsHaveNoGradient) {
    const Problem p = dropping(0.5, false, {5, 6});
    const Result r = run_on(Device::cpu(1), p);
    for (std::size_t i = 0; i < r.dx.size(); ++i) EXPECT_EQ(r.dx[i] == 0, p.inputs.masks[0][i] == 0) << i;
}

}  // namespace
}  // namespace rondo::test
