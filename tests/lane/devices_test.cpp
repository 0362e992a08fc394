/// Two devices: whose memory, streams and events are whose.
#include <gtest/gtest.h>

#include <thread>

#include "lane/kernels/simple.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/device_array.hpp"

namespace rondo::lane_test {
namespace {

class LaneDevices : public testing::Test {
protected:
    void SetUp() override { lane::set_devices(2); }
    void TearDown() override { EXPECT_EQ(cudaSetDevice(0), cudaSuccess); }

    static int device_of(const void* p) {
        cudaPointerAttributes attributes{};
        EXPECT_EQ(cudaPointerGetAttributes(&attributes, p), cudaSuccess);
        return attributes.device;
    }
};

TEST_F(LaneDevices, ThereAreAsManyAsAskedFor) {
    int count = 0;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
    int now = -1;
    EXPECT_EQ(cudaGetDevice(&now), cudaSuccess);
    EXPECT_EQ(now, 1);
    lane::set_devices(1);
    EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
}

TEST_F(LaneDevices, EveryThreadBeginsOnTheFirst) {
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    int other = -1, now = -1;
    std::thread([&] { EXPECT_EQ(cudaGetDevice(&other), cudaSuccess); }).join();
    EXPECT_EQ(cudaGetDevice(&now), cudaSuccess);
    EXPECT_EQ(other, 0);
    EXPECT_EQ(now, 1);
}

TEST_F(LaneDevices, MemoryBelongsToTheDeviceItWasTakenFrom) {
    const DeviceArray<float> first(8);
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    const DeviceArray<float> second(8);
    EXPECT_EQ(device_of(first.data() + 3), 0);
    EXPECT_EQ(device_of(second.data() + 3), 1);
}

TEST_F(LaneDevices, StreamsAndEventsBelongToOne) {
    cudaStream_t stream = nullptr;
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
    ASSERT_EQ(cudaStreamCreate(&stream), cudaSuccess);
    ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
    int owner = -1;
    EXPECT_EQ(cudaStreamGetDevice(stream, &owner), cudaSuccess);
    EXPECT_EQ(owner, 1);
    EXPECT_EQ(cudaEventRecord(event, stream), cudaSuccess);
    ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
    EXPECT_EQ(cudaEventRecord(event, nullptr), cudaErrorInvalidResourceHandle) << "this device's default stream";
    EXPECT_EQ(cudaStreamWaitEvent(nullptr, event, 0), cudaSuccess) << "may wait for another device's work";
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
}

}  // namespace
}  // namespace rondo::lane_test
