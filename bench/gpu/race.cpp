#include "gpu/race.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "device/check.hpp"

namespace rondo::bench {
namespace {

using device::check;

/// Events that keep time, which the backend's do not.
class Stopwatch {
public:
    explicit Stopwatch(Stream stream) : stream_(static_cast<cudaStream_t>(stream.handle)) {
        check(cudaEventCreate(&begin_), "cudaEventCreate");
        check(cudaEventCreate(&end_), "cudaEventCreate");
    }
    ~Stopwatch() {
        static_cast<void>(cudaEventDestroy(begin_));
        static_cast<void>(cudaEventDestroy(end_));
    }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

    /// Microseconds a call, over `calls` of them queued together.
    double time(const std::function<void()>& run, int calls) {
        check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
        for (int i = 0; i < calls; ++i) run();
        check(cudaEventRecord(end_, stream_), "cudaEventRecord");
        check(cudaEventSynchronize(end_), "cudaEventSynchronize");
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
        return static_cast<double>(milliseconds) * 1000 / calls;
    }

private:
    cudaStream_t stream_;
    cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

struct Runner {
    Contestant result;
    std::function<void()> run;
    std::shared_ptr<void> recording;
    int calls = 1;
    std::vector<double> samples;

    bool in() const { return result.error.empty(); }
    template <class Work>
    void attempt(Work work) {
        if (!in()) return;
        try {
            work();
        } catch (const std::exception& error) {
            result.error = error.what();
        }
    }
};

constexpr double kBurst = 1000;  ///< microseconds; the clock ticks in halves of one
constexpr int kFewestRounds = 3, kMostRounds = 50;

}  // namespace

std::vector<Contestant> race(Backend& backend, Stream stream, const std::vector<Entry>& entries, double seconds) {
    Stopwatch watch(stream);
    std::vector<Runner> runners;
    for (const Entry& entry : entries) {
        Runner eager, graph;
        eager.result.name = entry.name + ", eager";
        eager.run = entry.run;
        graph.result.name = entry.name + ", graph";
        eager.attempt([&] {  // what a first call builds is not in the second's time
            for (int i = 0; i < 2; ++i) watch.time(eager.run, 1);
        });
        graph.result.error = eager.result.error;
        graph.attempt([&] {
            graph.recording = std::shared_ptr<void>(backend.record(stream, entry.run),
                                                    [&backend](void* made) { backend.free_recording(made); });
            graph.run = [&backend, stream, made = graph.recording.get()] { backend.replay(made, stream); };
            watch.time(graph.run, 1);
        });
        for (Runner* runner : {&eager, &graph})
            runner->attempt([&] {
                const double once = watch.time(runner->run, 1);
                runner->calls = std::clamp(static_cast<int>(std::ceil(kBurst / std::max(once, 1.0))), 1, 100);
            });
        runners.push_back(std::move(eager));
        runners.push_back(std::move(graph));
    }

    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    for (int round = 0; round < kMostRounds && (round < kFewestRounds || Clock::now() < end); ++round)
        for (Runner& runner : runners)
            runner.attempt([&] { runner.samples.push_back(watch.time(runner.run, runner.calls)); });

    std::vector<Contestant> results;
    for (Runner& runner : runners) {
        if (runner.in()) runner.result.us = timing_of(runner.samples);
        results.push_back(runner.result);
    }
    return results;
}

}  // namespace rondo::bench
