/// The kernels of the microbenchmarks: what they pass around arrives, whole and in time. Nothing else can be seen of
/// them here, and a kernel that moves the wrong bytes measures the wrong thing.
#include <gtest/gtest.h>

#include "device/ordered.cuh"
#include "lane/emulator/schedule.hpp"
#include "lane/support/device_array.hpp"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

class Micro : public testing::Test {
protected:
    lane_test::TestStream stream_;
    Effort effort_{.stream = stream_, .multiprocessors = 8, .steps = 5, .samples = 1, .tiny = true};

    /// All are well, and none claims to know a time.
    static void expect_well(const std::vector<Figure>& figures, std::size_t count) {
        EXPECT_EQ(figures.size(), count);
        for (const Figure& figure : figures) {
            EXPECT_EQ(figure.error, "") << figure.of << ": " << figure.what;
            EXPECT_TRUE(figure.value.samples == 0 || figure.unit == "clusters") << figure.what;
            EXPECT_NE(figure.assumed, "");
        }
    }
};

TEST_F(Micro, ClusterPush) { expect_well(cluster_push(effort_), 5); }
TEST_F(Micro, WordThroughL2) { expect_well(word_through_l2(effort_), 7); }
TEST_F(Micro, MmaIssue) { expect_well(mma_issue(effort_), 6); }
TEST_F(Micro, WeightsFromL2) { expect_well(weights_from_l2(effort_), 4); }
TEST_F(Micro, GraphNode) { expect_well(graph_node(effort_), 1); }

TEST_F(Micro, ActiveClusters) {
    const std::vector<Figure> figures = active_clusters(effort_);
    expect_well(figures, 8);
    EXPECT_EQ(figures[0].what, "2 blocks, by CUDA's word");
    EXPECT_GT(figures[0].value.median, 0);
    EXPECT_EQ(figures[6].what, "16 blocks, by CUDA's word");
    EXPECT_GT(figures[6].value.median, 0);  // larger than the portable size
}

TEST_F(Micro, WrongDataIsNoFigure) {
    Figure figure;
    const auto nothing = [](Told*, int, bool) {};
    measure(figure, effort_, {1, 5, nothing, [](int) { return 7ull; }});
    EXPECT_EQ(figure.error, "what arrived is not what was sent");
}

void wait_in_vain(Told* told, const unsigned* word) {
    const Watch watch = Watch::start();
    const bool ok = device::spin_until([&] { return device::load_acquire(word) != 0; }, kPatience);
    tell<32>(told, watch, 0, ok);
}

TEST_F(Micro, AWaitThatExpiresIsReported) {
    lane::let_waits_expire(true);
    DeviceMemory<unsigned> word(1, stream_);
    Figure figure;
    const auto launch = [&](Told* told, int, bool) {
        device::launch({.kernel = "wait_in_vain", .grid = 1, .block = 32, .stream = stream_}, wait_in_vain, told,
                       word.data());
    };
    measure(figure, effort_, {1, 5, launch, [](int) { return 0ull; }});
    lane::let_waits_expire(false);
    EXPECT_EQ(figure.error, "a wait passed its limit of a second");
}

}  // namespace
}  // namespace rondo::bench
