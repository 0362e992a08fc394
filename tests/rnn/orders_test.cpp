/// In whatever order a plan runs what does not depend on each other, the numbers are the same.
#include <gtest/gtest.h>

#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"
#include "support/observed.hpp"

namespace rondo::test {
namespace {

const Device kDevice = Device::cpu(1);

std::vector<std::byte> bits_in(const Problem& p, Mode mode, const Orders& orders) {
    RnnHarness harness(kDevice, p, mode, orders);
    harness.run();
    return harness.bits();
}

TEST(OrdersTest, DirectionsTogetherGiveTheBitsOfDirectionsInTurn) {
    int n = 0;
    for (const std::vector<Case>& cases : {single_layer_cases(), stack_cases(60), chunked_cases()})
        for (const Case& c : cases) {
            bool both = false;
            for (const LayerSpec& layer : c.spec.layers) both = both || layer.direction == Direction::bidirectional;
            if (!both || ++n % 3 != 0) continue;
            Problem p = make_problem(c, n % 2 != 0 ? Precision::f64() : Precision::f32());
            if (n % 5 == 0 && has_steps(p.spec)) p.spec.recurrent_clip = {RecurrentClip::Kind::norm, 0.6};
            for (const Mode mode : {Mode::training, Mode::inference}) {
                const auto bits = [&](DirectionOrder order) {
                    return bits_in(p, mode, {.directions = order, .observe = true});
                };
                const auto turn = bits(DirectionOrder::in_turn);
                EXPECT_EQ(bits(DirectionOrder::batched), turn) << p.name;
                EXPECT_EQ(bits(DirectionOrder::streams), turn) << p.name;
            }
        }
    EXPECT_GT(n, 60);
}

/// Not in the same bits: a product's sums depend on how many rows it has, and the weights' gradients are summed piece by
/// piece.
TEST(OrdersTest, WavefrontsGiveWhatLayersInTurnGive) {
    int n = 0;
    for (const Case& c : wavefront_cases(80)) {
        Problem p = make_problem(c);
        if (++n % 5 == 0 && has_steps(p.spec)) p.spec.recurrent_clip = {RecurrentClip::Kind::value, 0.2};
        const Orders wavefront{.layers = LayerOrder::wavefront, .observe = true},
            in_turn{.layers = LayerOrder::in_turn, .observe = true};
        RnnHarness turn(kDevice, p, Mode::training, in_turn), wave(kDevice, p, Mode::training, wavefront);
        ASSERT_EQ(wave.plan.forward.back().workspace, static_cast<int>(c.spec.layers.size()) - 1) << "no wavefront";
        const Result expected_result = turn.run(), result = wave.run();
        EXPECT_TRUE(agree(p, result, expected_result, kDouble));
        take_masks(kDevice, p);
        if (p.spec.recurrent_clip.kind == RecurrentClip::Kind::none)
            EXPECT_LE(observed_ratio(wave, expected(p), kDouble), 1) << p.name;
        RnnHarness inference(kDevice, p, Mode::inference, wavefront);
        const Outputs inferred = inference.run().outputs,
                      turned = RnnHarness(kDevice, p, Mode::inference).run().outputs;
        EXPECT_LE(error_ratio(inferred.y, turned.y, kDouble), 1) << p.name;
        for (std::size_t i = 0; i < turned.state_steps.size(); ++i) {
            EXPECT_LE(error_ratio(inferred.state_steps[i], turned.state_steps[i], kDouble), 1) << p.name;
            EXPECT_LE(error_ratio(inferred.final_states[i], turned.final_states[i], kDouble), 1) << p.name;
        }
    }
    EXPECT_GT(n, 20);
}

}  // namespace
}  // namespace rondo::test
