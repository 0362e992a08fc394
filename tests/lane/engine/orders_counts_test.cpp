/// Directions that are batched take half the products and launches.
#include <gtest/gtest.h>

#include "cuda/make_backend.hpp"
#include "lane/standin/standin.hpp"
#include "support/cases.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

lane::Counters counts_of(const Problem& p, DirectionOrder order) {
    RnnHarness harness(Device(cuda::make_backend(0)), p, Mode::training, {order});
    harness.run();
    lane::reset_counters();
    harness.run();
    return lane::counters();
}

TEST(LaneOrders, BatchedDirectionsAreOneProductAndOneLaunchAStep) {
    constexpr int kSteps = 7;
    LayerSpec layer{.cell = "lstm", .hidden = 5, .direction = Direction::bidirectional};
    const Problem p = random_problem("both", {4, {layer}}, kSteps, 3, {7, 0, 4}, 11);
    const lane::Counters beside = counts_of(p, DirectionOrder::streams);
    const lane::Counters together = counts_of(p, DirectionOrder::batched);
    // A product and a map a step, forward and backward; the last step to run has no gradient from a later one.
    EXPECT_EQ(beside.products - together.products, kSteps + kSteps - 1);
    EXPECT_EQ(beside.launches - together.launches, 2 * kSteps);
}

}  // namespace
}  // namespace rondo::test
