/// What the lane says about a kernel that goes wrong: its kind, and the line.
#include <gtest/gtest.h>

#include <string>

#include "lane/emulator/failure.hpp"
#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/kernels/loops.hpp"
#include "lane/kernels/simple.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/device_array.hpp"
#include "lane/support/kernel_cases.hpp"

namespace rondo::lane_test {
namespace {

/// Runs a kernel with a fault and returns what the host is told.
std::string told(const std::string& kernel, Bug bug) {
    lane::set_schedule({});
    try {
        return kernel_case(kernel).run(bug) ? "right numbers" : "wrong numbers";
    } catch (const std::exception& error) {
        EXPECT_FALSE(lane::take_failure().empty());
        return error.what();
    }
}

void expect_words(const std::string& text, std::initializer_list<const char*> words) {
    for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " is not in: " << text;
}

// The kernel's three blocks run one after another, unless races between them are looked for.
constexpr unsigned kBlocksAtOnce = lane::kThreadSanitizer ? 3 : 1;

TEST(LaneFailures, ADeadlockNamesKernelLineAndThreads) {
    const std::string stand = std::to_string(kBlocksAtOnce * 32) + " threads in __syncthreads at simple.cu:";
    const std::string left = std::to_string(kBlocksAtOnce * 224) + " have left";
    expect_words(told("row_sums", Bug::barrier_in_branch),
                 {"deadlock", stand.c_str(), left.c_str(), "in kernel row_sums"});
}

TEST(LaneFailures, ADivergentShuffleNamesItsCallersLine) {
    const std::string stand = std::to_string(kBlocksAtOnce * 16) + " threads in __shfl_xor_sync at simple.cu:";
    expect_words(told("row_sums", Bug::divergent_shuffle), {"deadlock", stand.c_str()});
}

TEST(LaneFailures, ALivelockNamesThePoll) {
    if (lane::kThreadSanitizer) GTEST_SKIP() << "a race is found first";
    expect_words(told("relay", Bug::forgotten_flag), {"livelock", "poll at relay.cu:", "in kernel relay"});
}

TEST(LaneFailures, AnExpiredWaitIsTheKernelsToReport) {
    lane::let_waits_expire(true);
    EXPECT_THROW(
        {
            try {
                kernel_case("relay").run(Bug::forgotten_flag);
            } catch (const std::runtime_error& error) {
                EXPECT_STREQ(error.what(), "a bounded wait ran out");
                throw;
            }
        },
        std::runtime_error);
    EXPECT_EQ(lane::take_failure(), "");
}

TEST(LaneFailures, MisuseNamesTheInstruction) {
    expect_words(told("tiles_bulk", Bug::misaligned_load), {"misuse", "bulk copy", "16", "copies.cu:"});
    expect_words(told("pushed_loop", Bug::arrives_twice), {"misuse", "mbarrier", "cluster_loop.cu:"});
}

TEST(LaneFailures, TheErrorStaysUntilItIsTaken) {
    const DeviceArray<float> sums(1), x(512);
    {
        const TestStream stream;
        row_sums(sums.data(), x.data(), 1, 512, Bug::barrier_in_branch, stream);
        EXPECT_EQ(cudaStreamQuery(stream), cudaErrorLaunchFailure);
        EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
        EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
        EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
        EXPECT_NE(lane::take_failure(), "");
    }
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST(LaneFailures, APointerToTheHeapIsNoArgument) {
    if (lane::kThreadSanitizer || lane::kAddressSanitizer) GTEST_SKIP() << "the heap is elsewhere";
    const DeviceArray<float> y(16);
    std::vector<float> x(16);
    EXPECT_ANY_THROW(axpy(y.data(), x.data(), 1, 16, Bug::none, nullptr));
    expect_words(lane::take_failure(), {"host memory", "axpy"});
}

TEST(LaneFailures, ACooperativeLaunchMustFit) {
    lane::set_multiprocessors(1);
    const auto flags = DeviceArray<unsigned>::zeros(101), expired = DeviceArray<unsigned>::zeros(1);
    const auto values = DeviceArray<int>::zeros(101);
    try {
        relay(values.data(), flags.data(), expired.data(), 100, Bug::none, nullptr);
        ADD_FAILURE() << "100 blocks on one multiprocessor";
    } catch (const Error& error) {
        expect_words(error.what(), {"relay", "CooperativeLaunchTooLarge"});
    }
}

}  // namespace
}  // namespace rondo::lane_test
