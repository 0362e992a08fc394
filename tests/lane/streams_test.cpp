/// The stand-in's streams and events: any order that they allow comes about, and no other.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "lane/emulator/schedule.hpp"
#include "lane/kernels/simple.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/device_array.hpp"

namespace rondo::lane_test {
namespace {

using device::check;

class TestEvent {
public:
    TestEvent() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate"); }
    ~TestEvent() { static_cast<void>(cudaEventDestroy(event_)); }
    TestEvent(const TestEvent&) = delete;
    TestEvent& operator=(const TestEvent&) = delete;
    operator cudaEvent_t() const { return event_; }

private:
    cudaEvent_t event_ = nullptr;
};

const std::vector<float> kOnes(64, 1.0f);

/// y = 10·x after x = 2·x on another stream: 20 each, if the second waits for the first.
float two_streams(bool waits) {
    const DeviceArray<float> x(kOnes), doubled = DeviceArray<float>::zeros(64), y = DeviceArray<float>::zeros(64);
    const TestStream producer, consumer;
    const TestEvent made;
    axpy(doubled.data(), x.data(), 2, 64, Bug::none, producer);
    check(cudaEventRecord(made, producer), "cudaEventRecord");
    if (waits) check(cudaStreamWaitEvent(consumer, made, 0), "cudaStreamWaitEvent");
    axpy(y.data(), doubled.data(), 10, 64, Bug::none, consumer);
    consumer.synchronize();
    return y.download()[63];
}

TEST(LaneStreams, AWaitOrdersAndAMissingOneShows) {
    std::set<float> without;
    for (const lane::Schedule& schedule : lane::test_schedules()) {
        lane::set_schedule(schedule);
        EXPECT_EQ(two_streams(true), 20.0f) << schedule.name();
        without.insert(two_streams(false));
    }
    EXPECT_EQ(without, (std::set<float>{0.0f, 20.0f})) << "both orders must have come about";
}

TEST(LaneStreams, NothingRunsBeforeItMust) {
    const DeviceArray<float> x(kOnes), y(kOnes);
    const TestStream stream;
    lane::reset_counters();
    axpy(y.data(), x.data(), 1, 64, Bug::none, stream);
    EXPECT_EQ(lane::counters().launches, 0);
    EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
    stream.synchronize();
    EXPECT_EQ(lane::counters().launches, 1);
    EXPECT_EQ(lane::counters().synchronisations, 1);
    EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
}

TEST(LaneStreams, AnEventIsWhatWasRecordedLast) {
    for (const lane::Schedule& schedule : lane::test_schedules()) {
        lane::set_schedule(schedule);
        const DeviceArray<float> x(kOnes), y(kOnes);
        const TestStream stream;
        const TestEvent event;
        check(cudaEventRecord(event, stream), "cudaEventRecord");
        axpy(y.data(), x.data(), 1, 64, Bug::none, stream);
        check(cudaEventRecord(event, stream), "cudaEventRecord");
        check(cudaEventSynchronize(event), "cudaEventSynchronize");
        EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
        EXPECT_EQ(y.download()[0], 2.0f);
    }
}

TEST(LaneStreams, TheLegacyStreamWaitsForBlockingStreamsOnly) {
    std::set<float> apart;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        const lane::Schedule schedule{lane::Order::random, seed};
        lane::set_schedule(schedule);
        const DeviceArray<float> x(kOnes), y(kOnes), z(kOnes);
        cudaStream_t blocking = nullptr;
        check(cudaStreamCreate(&blocking), "cudaStreamCreate");
        const TestStream other;
        axpy(y.data(), x.data(), 1, 64, Bug::none, blocking);
        axpy(z.data(), x.data(), 1, 64, Bug::none, other);
        EXPECT_EQ(y.download()[0], 2.0f) << schedule.name();
        apart.insert(z.download()[0]);
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
    }
    EXPECT_EQ(apart, (std::set<float>{1.0f, 2.0f}));
}

TEST(LaneStreams, PageableMemoryIsReadAtOnceAndPinnedMemoryLater) {
    const auto y = DeviceArray<float>::zeros(2);
    const TestStream stream;
    void* p = nullptr;
    check(cudaMallocHost(&p, sizeof(float)), "cudaMallocHost");
    auto* const pinned = static_cast<float*>(p);
    float pageable = 1;
    *pinned = 1;
    check(cudaMemcpyAsync(y.data(), &pageable, sizeof(float), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    check(cudaMemcpyAsync(y.data() + 1, pinned, sizeof(float), cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    pageable = 2;
    *pinned = 2;  // too early: the copy has not read it
    stream.synchronize();
    EXPECT_EQ(y.download(), (std::vector<float>{1, 2}));
    check(cudaFreeHost(p), "cudaFreeHost");
}

TEST(LaneStreams, UnknownHandlesAreRefused) {
    int nothing = 0;
    EXPECT_EQ(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(&nothing)), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaEventSynchronize(reinterpret_cast<cudaEvent_t>(&nothing)), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

// Graphs.

struct Recorded {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    ~Recorded() {
        if (executable != nullptr) EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
        if (graph != nullptr) EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    }
};

TEST(LaneGraphs, ReplayWhatWasRecordedOnTwoStreams) {
    for (const lane::Schedule& schedule : lane::test_schedules()) {
        lane::set_schedule(schedule);
        const DeviceArray<float> x(kOnes), y(kOnes), z = DeviceArray<float>::zeros(64);
        const TestStream main, side;
        const TestEvent fork, join;
        Recorded r;
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
        check(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
        axpy(y.data(), x.data(), 1, 64, Bug::none, main);  // y += 1
        check(cudaEventRecord(fork, main), "cudaEventRecord");
        check(cudaStreamWaitEvent(side, fork, 0), "cudaStreamWaitEvent");
        axpy(z.data(), y.data(), 1, 64, Bug::none, side);  // z += y
        check(cudaEventRecord(join, side), "cudaEventRecord");
        check(cudaStreamWaitEvent(main, join, 0), "cudaStreamWaitEvent");
        axpy(y.data(), x.data(), 1, 64, Bug::none, main);  // y += 1
        check(cudaStreamEndCapture(main, &r.graph), "cudaStreamEndCapture");
        EXPECT_EQ(y.download()[5], 1.0f) << "recording is not running";

        std::size_t nodes = 0;
        check(cudaGraphGetNodes(r.graph, nullptr, &nodes), "cudaGraphGetNodes");
        EXPECT_GE(nodes, 3u);
        check(cudaGraphInstantiate(&r.executable, r.graph, 0), "cudaGraphInstantiate");
        for (int i = 0; i < 3; ++i) check(cudaGraphLaunch(r.executable, main), "cudaGraphLaunch");
        main.synchronize();
        EXPECT_EQ(y.download()[5], 7.0f);
        EXPECT_EQ(z.download()[5], 2.0f + 4 + 6);
        EXPECT_EQ(lane::counters().graph_launches, 3);
        lane::reset_counters();
    }
}

TEST(LaneGraphs, WhatCannotBeRecordedIsRefused) {
    const DeviceArray<float> x(kOnes);
    const TestStream stream, side;
    Recorded r;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamEndCapture(stream, &r.graph), cudaErrorStreamCaptureInvalidated);

    void* p = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
    EXPECT_EQ(cudaMalloc(&p, 16), cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamEndCapture(stream, &r.graph), cudaErrorStreamCaptureInvalidated);

    const std::vector<float> pageable(64);
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
    EXPECT_EQ(cudaMemcpyAsync(x.data(), pageable.data(), 256, cudaMemcpyHostToDevice, stream),
              cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamEndCapture(stream, &r.graph), cudaErrorStreamCaptureInvalidated);

    const TestEvent fork;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    axpy(x.data(), x.data(), 1, 64, Bug::none, stream);
    check(cudaEventRecord(fork, stream), "cudaEventRecord");
    check(cudaStreamWaitEvent(side, fork, 0), "cudaStreamWaitEvent");
    axpy(x.data(), x.data(), 1, 64, Bug::none, side);
    EXPECT_EQ(cudaStreamEndCapture(stream, &r.graph), cudaErrorStreamCaptureUnjoined);
    EXPECT_EQ(r.graph, nullptr);
    static_cast<void>(cudaGetLastError());
}

}  // namespace
}  // namespace rondo::lane_test
