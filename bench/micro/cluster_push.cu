// Every block of a cluster pushes its slice of h to all the others, as soon as it has all of the h before it: what the
// `cluster` policy does in each step, without the product and the gates.
//   told [blocks] out
//   a step: push, wait for one's own mbarrier, one barrier of the block; h is double-buffered
#include "device/bulk_copy.cuh"
#include "micro/clusters.hpp"
#include "micro/told.cuh"

namespace rondo::bench {
namespace {

using namespace rondo::device;

constexpr int kThreads = 256;
constexpr unsigned kChunk = 16;  // bytes of one st.async

enum class Way { store_async, bulk_copy, barrier_alone };

struct Push {
    unsigned bytes;  // of h; a multiple of kChunk for each block
    int steps;
    std::uint64_t check;  // 1: sum up what arrives
    Told* told;
};

/// What chunk `index` of h(t) holds.
RONDO_DEVICE uint4 chunk_at(unsigned t, unsigned index) {
    const unsigned word = t * 2654435761u + index * 4;
    return {word, word + 1, word + 2, word + 3};
}

/// Every thread stores a chunk into a block in turn, beginning with its own, so that not all push into the same one.
RONDO_DEVICE void push_by_stores(unsigned char* h, Mbarrier& full, unsigned t, unsigned slice) {
    const unsigned blocks = cluster_size(), rank = cluster_rank(), chunks = slice / kChunk;
    for (unsigned i = threadIdx.x; i < chunks * blocks; i += kThreads) {
        const unsigned to = (i + rank) % blocks, chunk = rank * chunks + i / blocks;
        store_async(remote_address(h + chunk * kChunk, to), chunk_at(t, chunk), remote_address(&full, to));
    }
}

/// The slice is put down here first, then copied to each block by one thread. `staging` is free again: who has h(t-1)
/// knows that all had h(t-2), which was copied from it.
RONDO_DEVICE void push_by_copies(unsigned char* h, unsigned char* staging, Mbarrier& full, unsigned t, unsigned slice) {
    const unsigned rank = cluster_rank(), chunks = slice / kChunk;
    for (unsigned i = threadIdx.x; i < chunks; i += kThreads)
        reinterpret_cast<uint4*>(staging)[i] = chunk_at(t, rank * chunks + i);
    fence_before_bulk_copy();
    __syncthreads();
    if (threadIdx.x >= cluster_size()) return;
    const unsigned to = (threadIdx.x + rank) % cluster_size();
    copy_bulk_remote(remote_address(h + rank * slice, to), staging, slice, remote_address(&full, to));
}

template <Way kWay>
__global__ void __launch_bounds__(kThreads) cluster_push_kernel(const Push push) {
    RONDO_DYNAMIC_SHARED(unsigned char, h);  // [2][bytes], then [2][slice]
    RONDO_SHARED(Mbarrier, full, [2]);
    const unsigned slice = push.bytes / cluster_size();
    if (threadIdx.x == 0) {
        mbarrier_init(full[0], 1);
        mbarrier_init(full[1], 1);
        mbarrier_fence_init();
    }
    cluster_sync();

    const Watch watch = Watch::start();
    unsigned long long sum = 0;
    bool ok = true;
    for (unsigned t = 1; t <= static_cast<unsigned>(push.steps) && ok; ++t) {
        if constexpr (kWay == Way::barrier_alone) {
            cluster_sync();
            continue;
        }
        unsigned char* const at = h + t % 2 * push.bytes;
        if (threadIdx.x == 0) mbarrier_arrive_expect(full[t % 2], push.bytes);
        if constexpr (kWay == Way::bulk_copy)
            push_by_copies(at, h + 2 * push.bytes + t % 2 * slice, full[t % 2], t, slice);
        else
            push_by_stores(at, full[t % 2], t, slice);
        ok = mbarrier_wait<Scope::cluster>(full[t % 2], (t - 1) / 2 & 1u, kPatience);
        if (ok && push.check != 0)
            for (unsigned i = threadIdx.x; i < push.bytes / 4; i += kThreads)
                sum += reinterpret_cast<const unsigned*>(at)[i];
        ok = block_all(ok);  // h(t+1) goes out when nobody here reads h(t-1) any more
    }
    tell<kThreads>(push.told, watch, sum, ok);
    cluster_sync();
}

unsigned long long sum_of(const Push& push, int steps) {
    unsigned long long sum = 0;
    for (unsigned t = 1; t <= static_cast<unsigned>(steps); ++t)
        for (unsigned word = 0; word < push.bytes / 4; ++word) sum += t * 2654435761u + word;
    return sum;
}

template <Way kWay>
Figure push_figure(const Effort& effort, unsigned blocks, unsigned bytes, bool everywhere) {
    const char* const way = kWay == Way::store_async ? "st.async" : kWay == Way::bulk_copy ? "bulk copy" : "barrier";
    Figure figure{.of = "cluster push", .unit = "us a step"};
    figure.what =
        rondo::detail::concat(blocks, " blocks, ", bytes, " bytes of h, ", way, everywhere ? ", all clusters" : "");
    figure.assumed = "180 to 213 cycles to arrive; 12 to 32 bytes a cycle an SM";
    if (kWay == Way::barrier_alone) {
        figure.what = rondo::detail::concat(blocks, " blocks, cluster barrier");
        figure.assumed = "0.5 to 0.65 us in a busy kernel";
    }
    try {
        const std::size_t shared = effort.tiny ? 3 * bytes : std::max<std::size_t>(3 * bytes, kWholeMultiprocessor);
        const auto kernel = cluster_push_kernel<kWay>;
        const int active = allow_clusters(reinterpret_cast<const void*>(kernel), blocks, kThreads, shared);
        require(active > 0, "clusters", active, "the device must hold one");
        const unsigned clusters = effort.tiny ? 2 : static_cast<unsigned>(active);
        const unsigned grid = blocks * (everywhere ? clusters : 1);
        const auto launch_it = [&](Told* told, int steps, bool check) {
            launch({.kernel = "cluster_push",
                    .grid = grid,
                    .block = kThreads,
                    .cluster = blocks,
                    .shared_bytes = shared,
                    .stream = effort.stream},
                   kernel, Push{bytes, steps, check ? 1u : 0u, told});
        };
        const auto expected = [&](int steps) {
            return kWay == Way::barrier_alone ? 0 : grid * sum_of({bytes, steps, 1, nullptr}, steps);
        };
        measure(figure, effort, {static_cast<int>(grid), effort.steps, launch_it, expected});
        if (figure.cycles > 0 && kWay != Way::barrier_alone) {
            figure.rate = bytes * (1.0 - 1.0 / blocks) / figure.cycles;  // one's own slice does not travel
            figure.rate_unit = "bytes a cycle into an SM";
        }
    } catch (const std::exception& error) {
        figure.error = error.what();
    }
    return figure;
}

}  // namespace

std::vector<Figure> cluster_push(const Effort& effort) {
    std::vector<Figure> figures;
    const auto both = [&](unsigned blocks, unsigned bytes, bool everywhere) {
        figures.push_back(push_figure<Way::store_async>(effort, blocks, bytes, everywhere));
        figures.push_back(push_figure<Way::bulk_copy>(effort, blocks, bytes, everywhere));
    };
    if (effort.tiny) {
        for (unsigned blocks : {2u, 4u}) both(blocks, 32 * blocks, true);
        figures.push_back(push_figure<Way::barrier_alone>(effort, 4, kChunk * 4, false));
        return figures;
    }
    for (unsigned blocks : {4u, 8u, 16u}) {
        both(blocks, kChunk * blocks, false);  // so little that it is the time to arrive
        for (unsigned bytes : {4096u, 16384u, 32768u}) both(blocks, bytes, true);
        figures.push_back(push_figure<Way::barrier_alone>(effort, blocks, kChunk * blocks, true));
    }
    return figures;
}

}  // namespace rondo::bench
