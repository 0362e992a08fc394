#pragma once
/// What the kernels of the microbenchmarks tell the host: how long, what arrived, whether a wait passed its limit.
/// Their arguments have no gaps: the emulator takes what lies in them for pointers.
#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "device/check.hpp"
#include "device/launch.hpp"
#include "device/spin.cuh"
#include "device/warp.cuh"
#include "micro/figure.hpp"

namespace rondo::bench {

inline constexpr device::SpinLimit kPatience{1'000'000'000};

/// Of one block.
struct Told {
    unsigned long long cycles, nanoseconds;
    unsigned long long sum;      ///< of the words that arrived
    unsigned long long expired;  ///< 1: a wait passed its limit, and the kernel stopped
};

/// From its making to tell().
struct Watch {
    std::uint64_t cycles, nanoseconds;
    RONDO_DEVICE static Watch start() { return {device::clock_cycles(), device::global_nanoseconds()}; }
};

/// All kThreads threads of the block call it.
template <int kThreads>
RONDO_DEVICE void tell(Told* told, Watch since, unsigned long long sum, bool ok) {
    const std::uint64_t cycles = device::clock_cycles(), nanoseconds = device::global_nanoseconds();
    sum = device::block_sum<kThreads>(sum);
    if (device::thread_rank() == 0)
        told[blockIdx.x] = {cycles - since.cycles, nanoseconds - since.nanoseconds, sum, ok ? 0ull : 1ull};
}

/// Device memory, zero in the beginning.
template <class T>
class DeviceMemory {
public:
    DeviceMemory(std::size_t count, cudaStream_t stream) : count_(count), stream_(stream) {
        void* p = nullptr;
        device::check(cudaMalloc(&p, count * sizeof(T)), "cudaMalloc");
        data_ = static_cast<T*>(p);
        zero();
    }
    ~DeviceMemory() { static_cast<void>(cudaFree(data_)); }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;

    T* data() const { return data_; }
    void zero() { device::check(cudaMemsetAsync(data_, 0, count_ * sizeof(T), stream_), "cudaMemsetAsync"); }
    std::vector<T> download() const {
        std::vector<T> values(count_);
        device::check(cudaMemcpyAsync(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost, stream_),
                      "cudaMemcpyAsync");
        device::check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
        return values;
    }

private:
    T* data_ = nullptr;
    std::size_t count_;
    cudaStream_t stream_;
};

/// All blocks together: the longest time, the sum of the sums.
inline Told together(const std::vector<Told>& blocks) {
    Told all{};
    for (const Told& block : blocks) {
        all.cycles = std::max(all.cycles, block.cycles);
        all.nanoseconds = std::max(all.nanoseconds, block.nanoseconds);
        all.sum += block.sum;
        all.expired |= block.expired;
    }
    return all;
}

/// A loop of `steps` steps as a kernel on `blocks` blocks.
struct Loop {
    int blocks, steps;
    std::function<void(Told*, int steps, bool check)> launch;
    std::function<unsigned long long(int steps)> expected;  ///< the sum of what arrives in so many steps
};

/// Runs the loop once for its data, then for its time; what goes wrong stands in the figure. The figure's value is in
/// microseconds a step.
inline void measure(Figure& figure, const Effort& effort, const Loop& loop) {
    try {
        DeviceMemory<Told> told(static_cast<std::size_t>(loop.blocks), effort.stream);
        const auto run = [&](int steps, bool check) {
            loop.launch(told.data(), steps, check);
            const Told all = together(told.download());
            if (all.expired != 0) throw Error(ErrorCode::device, "a wait passed its limit of a second");
            return all;
        };
        const int looked_at = std::min(loop.steps, 16);
        if (run(looked_at, true).sum != loop.expected(looked_at))
            throw Error(ErrorCode::device, "what arrived is not what was sent");
        std::vector<double> us, cycles;
        for (int i = 0; i <= effort.samples; ++i) {
            const Told all = run(loop.steps, false);
            if (i == 0 || all.nanoseconds == 0) continue;  // the first one warms up
            us.push_back(static_cast<double>(all.nanoseconds) / 1000 / loop.steps);
            cycles.push_back(static_cast<double>(all.cycles) / loop.steps);
        }
        if (us.empty()) return;
        figure.value = timing_of(us);
        figure.cycles = quantile(cycles, 0.5);
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
}

}  // namespace rondo::bench
