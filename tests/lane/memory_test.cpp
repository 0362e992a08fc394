/// The stand-in's memory: what it holds, what may be done with it, and how misuse is answered.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lane/kernels/simple.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/child.hpp"
#include "lane/support/device_array.hpp"

namespace rondo::lane_test {
namespace {

TEST(LaneMemory, FreshMemoryIsNan) {
    const DeviceArray<float> x(100);
    for (const float value : x.download()) EXPECT_TRUE(std::isnan(value));
}

TEST(LaneMemory, PointersAreToldApart) {
    const DeviceArray<float> x(16);
    std::vector<float> host(16);
    void* pinned = nullptr;
    ASSERT_EQ(cudaMallocHost(&pinned, 64), cudaSuccess);
    cudaPointerAttributes attributes;
    ASSERT_EQ(cudaPointerGetAttributes(&attributes, x.data() + 3), cudaSuccess);
    EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
    ASSERT_EQ(cudaPointerGetAttributes(&attributes, pinned), cudaSuccess);
    EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
    ASSERT_EQ(cudaPointerGetAttributes(&attributes, host.data()), cudaSuccess);
    EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
    ASSERT_EQ(cudaPointerGetAttributes(&attributes, x.data() + 16), cudaSuccess);
    EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered) << "behind the end";
    EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(LaneMemory, WrongKindsAndEndsAreInvalidValues) {
    const DeviceArray<float> x(16);
    std::vector<float> host(32);
    EXPECT_EQ(cudaMemcpy(x.data(), host.data(), 64, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpy(host.data(), x.data(), 64, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpy(x.data(), host.data(), 68, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemset(host.data(), 0, 4), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(host.data()), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(x.data() + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemcpy(x.data(), host.data(), 64, cudaMemcpyDefault), cudaSuccess);
}

TEST(LaneMemory, FreedMemoryIsGone) {
    void* p = nullptr;
    ASSERT_EQ(cudaMalloc(&p, 64), cudaSuccess);
    ASSERT_EQ(cudaFree(p), cudaSuccess);
    float host = 0;
    EXPECT_EQ(cudaMemcpy(&host, p, sizeof(host), cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(p), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
    static_cast<void>(cudaGetLastError());
}

TEST(LaneMemory, MemoryFreedBeforeItsTurnIsReported) {
    void* p = nullptr;
    const TestStream first, second;
    ASSERT_EQ(cudaMallocAsync(&p, 64, first), cudaSuccess);
    ASSERT_EQ(cudaFreeAsync(p, first), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(first), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(p, 0, 64, second), cudaErrorInvalidValue);

    ASSERT_EQ(cudaMallocAsync(&p, 64, first), cudaSuccess);
    ASSERT_EQ(cudaFreeAsync(p, first), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(p, 0, 64, first), cudaSuccess) << "what it does wrong shows when it runs";
    EXPECT_EQ(cudaStreamSynchronize(first), cudaErrorLaunchFailure);
    EXPECT_NE(lane::take_failure().find("freed before it ran"), std::string::npos);
}

TEST(LaneMemory, ALimitMakesAllocationsFail) {
    std::size_t left = 0, total = 0;
    lane::limit_memory(1000);
    const DeviceArray<char> x(600);
    void* p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, 500), cudaErrorMemoryAllocation);
    EXPECT_EQ(p, nullptr);
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    ASSERT_EQ(cudaMemGetInfo(&left, &total), cudaSuccess);
    EXPECT_EQ(left, 400u);
    EXPECT_EQ(total, 1000u);
}

TEST(LaneMemory, WhatIsNotFreedIsListed) {
    const std::size_t before = lane::unfreed_memory().size();
    const DeviceArray<char> x(77);
    const std::vector<std::string> list = lane::unfreed_memory();
    ASSERT_EQ(list.size(), before + 1);
    EXPECT_NE(list.back().find("77 bytes"), std::string::npos);
}

TEST(LaneMemory, TheHostCannotTouchIt) {
    const DeviceArray<float> x(4);
    if (!lane::keeps_the_host_out()) GTEST_SKIP() << "this processor has no protection keys";
    const Outcome outcome = run_in_child([&] {
        const volatile float* p = x.data();
        return *p == 0 || true;
    });
    EXPECT_FALSE(outcome.clean);
}

}  // namespace
}  // namespace rondo::lane_test
