// Every multiprocessor streams its own share of the weights out of L2 into shared memory, again and again: what a step
// pays for weights that do not fit registers and shared memory. Bulk copies, which pass L1 by, kStages of them at once.
//   weights [blocks][chunks][kChunk] in     told [blocks] out
#include "device/bulk_copy.cuh"
#include "micro/clusters.hpp"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

constexpr int kThreads = 256;
constexpr unsigned kChunk = 8192, kStages = 16;

struct Weights {
    const unsigned char* bytes;
    unsigned chunks;  // a block and step
    int steps;
    std::uint64_t read;  // 1: out of shared memory, too
    Told* told;
};

__global__ void __launch_bounds__(kThreads) weights_kernel(const Weights weights) {
    RONDO_DYNAMIC_SHARED(unsigned char, stages);  // [kStages][kChunk]
    RONDO_SHARED(Mbarrier, full, [kStages]);
    const unsigned char* const own = weights.bytes + std::size_t{blockIdx.x} * weights.chunks * kChunk;
    const unsigned all = weights.chunks * static_cast<unsigned>(weights.steps);
    const auto fetch = [&](unsigned i) {
        mbarrier_arrive_expect(full[i % kStages], kChunk);
        copy_bulk(stages + i % kStages * kChunk, own + std::size_t{i % weights.chunks} * kChunk, kChunk,
                  full[i % kStages]);
    };
    if (threadIdx.x == 0) {
        for (unsigned i = 0; i < kStages; ++i) mbarrier_init(full[i], 1);
        mbarrier_fence_init();
    }
    __syncthreads();

    const Watch watch = Watch::start();
    if (threadIdx.x == 0)
        for (unsigned i = 0; i < kStages && i < all; ++i) fetch(i);
    unsigned long long sum = 0;
    bool ok = true;
    for (unsigned i = 0; i < all && ok; ++i) {
        ok = mbarrier_wait(full[i % kStages], i / kStages & 1u, kPatience);
        const uint4* const words = reinterpret_cast<const uint4*>(stages + i % kStages * kChunk);
        for (unsigned j = threadIdx.x; ok && weights.read != 0 && j < kChunk / 16; j += kThreads) {
            const uint4 four = words[j];
            sum += four.x + four.y + four.z + four.w;
        }
        ok = block_all(ok);  // nobody reads this stage any more
        if (ok && threadIdx.x == 0 && i + kStages < all) fetch(i + kStages);
    }
    // A wait that passed its limit leaves copies under way into this block's memory, which must not end before them.
    if (!ok)
        for (unsigned i = 0; i < kStages; ++i) static_cast<void>(mbarrier_wait(full[i], 0, SpinLimit{1'000'000}));
    tell<kThreads>(weights.told, watch, sum, ok);
}

/// Fills the weights; returns the sum of sums of four words, as the kernel makes it.
unsigned long long fill(DeviceMemory<uint4>& weights, std::size_t count, cudaStream_t stream) {
    std::vector<uint4> values(count);
    unsigned state = 12345;
    unsigned long long sum = 0;
    const auto draw = [&] { return state = state * 1664525u + 1013904223u; };
    for (uint4& four : values) {
        four.x = draw();
        four.y = draw();
        four.z = draw();
        four.w = draw();
        sum += four.x + four.y + four.z + four.w;
    }
    check(cudaMemcpyAsync(weights.data(), values.data(), count * sizeof(uint4), cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    return sum;
}

Figure weights_figure(const Effort& effort, unsigned chunks, bool read) {
    const auto blocks = static_cast<unsigned>(effort.tiny ? 2 : effort.multiprocessors);
    const std::size_t bytes = std::size_t{blocks} * chunks * kChunk;
    Figure figure{.of = "weights from L2", .unit = "us a step"};
    figure.what = rondo::detail::concat(static_cast<double>(bytes / 100000) / 10, " MB",
                                        read ? ", and read from shared memory" : ", arriving in shared memory");
    figure.assumed = "not in the model: weights stay in registers and shared memory";
    try {
        DeviceMemory<uint4> weights(bytes / sizeof(uint4), effort.stream);
        const unsigned long long sum = fill(weights, bytes / sizeof(uint4), effort.stream);
        check(allow_shared_memory(reinterpret_cast<const void*>(weights_kernel), kStages * kChunk), "shared memory");
        const auto launch_it = [&](Told* told, int steps, bool look) {
            launch({.kernel = "weights_from_l2",
                    .grid = blocks,
                    .block = kThreads,
                    .shared_bytes = kStages * kChunk,
                    .stream = effort.stream},
                   weights_kernel,
                   Weights{reinterpret_cast<const unsigned char*>(weights.data()), chunks, steps,
                           read || look ? 1u : 0u, told});
        };
        const auto expected = [&](int steps) { return sum * static_cast<unsigned long long>(steps); };
        measure(figure, effort, {static_cast<int>(blocks), std::max(2, effort.steps / 10), launch_it, expected});
        if (figure.value.samples > 0) {
            figure.rate = static_cast<double>(bytes) / figure.value.median / 1e6;
            figure.rate_unit = "TB/s";
        }
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
    return figure;
}

}  // namespace

std::vector<Figure> weights_from_l2(const Effort& effort) {
    std::vector<Figure> figures;
    const auto both = [&](unsigned chunks) {
        for (bool read : {false, true}) figures.push_back(weights_figure(effort, chunks, read));
    };
    if (effort.tiny) {
        both(3);   // fewer than there are stages
        both(20);  // and more
        return figures;
    }
    for (double megabytes : {8.0, 16.0, 24.0, 34.0})
        both(static_cast<unsigned>(std::max(1.0, megabytes * 1e6 / effort.multiprocessors / kChunk)));
    return figures;
}

}  // namespace rondo::bench
