/// Directions that are batched take half the products and launches; and of time loops in one launch what only the
/// emulator can bring about.
#include <gtest/gtest.h>

#include "cuda/findings.hpp"
#include "cuda/make_backend.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/device_array.hpp"
#include "persistent/persistent.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"
#include "support/naive.hpp"

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

TEST(LaneLoops, TheSameBitsInWhateverOrderBlocksSend) {
    const LayerSpec layer{.cell = "lstm", .hidden = 49};
    const Problem p = rounded_to_storage(
        random_problem("orders", {3, {layer}, Precision::bf16()}, 4, 11, {4, 2, 4, 0, 1, 3, 4, 4, 2, 3, 1}, 19));
    for (const TimeLoop loop : {TimeLoop::cluster, TimeLoop::grid}) {
        const auto bits_in = [&](lane::Schedule schedule) {
            lane::set_schedule(schedule);
            RnnHarness harness(Device(cuda::make_backend(0)), p, Mode::training, {.loop = loop});
            harness.run();
            return harness.bits();
        };
        const std::vector<std::byte> bits = bits_in({});
        for (const lane::Schedule& schedule : lane::test_schedules())
            EXPECT_EQ(bits_in(schedule), bits) << name_of(loop) << ", " << schedule.name();
    }
}

/// Clusters of four at most: backward some warps multiply strips of W_hh of which one is a block's last and the next
/// another's first.
TEST(LaneLoops, AWarpsSumsGoToSeveralBlocks) {
    lane::set_multiprocessors(4);
    const Device device(cuda::make_backend(0));
    const Problem p =
        random_problem("strips", {3, {{.cell = "lstm", .hidden = 136}}, Precision::f32()}, 3, 3, {3, 2, 3}, 5);
    const auto run = [&](TimeLoop loop) { return RnnHarness(device, p, Mode::training, {.loop = loop}).run(); };
    EXPECT_TRUE(agree(p, run(TimeLoop::cluster), run(TimeLoop::steps), Tolerance{1e-3, 1e-5}));
}

/// A question about a small layout, before a launch with a larger one that still needs no permission.
TEST(LaneLoops, AskingForLittleSharedMemoryIsNoLimit) {
    const void* const kernel = kernels::find_loops<DType::f16>("rnn_relu", {}).forward_kernel;
    const kernels::LoopShape shape{.gates = 1, .states = 1, .element_bytes = 2, .batch = 1, .hidden = 32};
    EXPECT_GT(kernels::most_groups(kernel, kernels::lay_out(shape, kernels::Exchange::solo, 1, 1)), 0);
    cudaFuncAttributes attributes = {};
    device::check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    EXPECT_GE(attributes.maxDynamicSharedSizeBytes, 48 * 1024);
}

/// Two blocks whose counter begins at -1 see 1 where they wait for 2.
TEST(LaneLoops, AWaitInVainIsTold) {
    using lane_test::DeviceArray;
    if (lane::kThreadSanitizer) GTEST_SKIP() << "who gives up waiting races";
    lane::let_waits_expire(true);
    kernels::LoopShape shape{.gates = 1, .states = 1, .element_bytes = 4, .batch = 1, .hidden = 32, .backward = true};
    const kernels::Geometry geometry = kernels::lay_out(shape, kernels::Exchange::grid, 2, 1);
    ASSERT_EQ(geometry.units, 16);
    const auto w = DeviceArray<float>::zeros(32 * 32), h = DeviceArray<float>::zeros(32);
    const auto scratch = DeviceArray<unsigned char>::zeros(geometry.scratch_bytes);
    device::check(cudaMemset(scratch.data(), 0xff, sizeof(unsigned)), "cudaMemset");
    const DeviceArray<float> dgates(32), dstate(32);
    const cuda::Findings findings(0);
    kernels::Directions<kernels::LoopBackward> loop;
    kernels::LoopBackward& a = loop.of[0];
    a.batch = a.steps = 1;
    a.hidden = 32;
    a.w = w.data();
    a.state[0] = a.next[0] = h.data();
    a.dgates_x = dgates.data();
    a.dstate[0] = dstate.data();
    a.exchange = {scratch.data(), 1, findings.late()};
    kernels::find_loops<DType::f32>("rnn_tanh", {}).backward(loop, geometry, nullptr);
    device::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    EXPECT_THROW(findings.report(), Error);
    EXPECT_NO_THROW(findings.report()) << "told once";
}

}  // namespace
}  // namespace rondo::test
