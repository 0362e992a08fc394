/// In whatever order a plan runs what does not depend on each other, the numbers are the same.
#include <gtest/gtest.h>

#include "support/cases.hpp"
#include "support/harness.hpp"

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
            if (n % 5 == 0) p.spec.recurrent_clip = {RecurrentClip::Kind::norm, 0.6};
            for (const Mode mode : {Mode::training, Mode::inference}) {
                const auto turn = bits_in(p, mode, {DirectionOrder::in_turn});
                EXPECT_EQ(bits_in(p, mode, {DirectionOrder::batched}), turn) << p.name;
                EXPECT_EQ(bits_in(p, mode, {DirectionOrder::streams}), turn) << p.name;
            }
        }
    EXPECT_GT(n, 60);
}

}  // namespace
}  // namespace rondo::test
