#include "device/async_copy.cuh"
#include "device/bulk_copy.cuh"
#include "device/launch.hpp"
#include "lane/kernels/copies.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

constexpr int kThreads = 64;
constexpr SpinLimit kLimit{2'000'000'000};

__global__ void __launch_bounds__(kThreads)
    bulk_kernel(float* __restrict__ out, const float* __restrict__ in, unsigned* expired, int tiles, Bug bug) {
    constexpr int kBuffers = 2;
    constexpr unsigned kBytes = kTile * sizeof(float);
    RONDO_SHARED(float, tile, [kBuffers][kTile]);
    RONDO_SHARED(Mbarrier, full, [kBuffers]);
    RONDO_SHARED(Mbarrier, empty, [kBuffers]);
    if (threadIdx.x == 0) {
        for (int buffer = 0; buffer < kBuffers; ++buffer) {
            mbarrier_init(full[buffer], 1);
            mbarrier_init(empty[buffer], kThreads);
        }
        mbarrier_fence_init();
    }
    __syncthreads();

    const auto fetch = [&](int index) {
        const int buffer = index % kBuffers;
        mbarrier_arrive_expect(full[buffer], bug == Bug::wrong_byte_count ? kBytes / 2 : kBytes);
        const float* const from = in + index * kTile + (bug == Bug::misaligned_load ? 1 : 0);
        copy_bulk(tile[buffer], from, kBytes, full[buffer]);
    };
    if (threadIdx.x == 0)
        for (int index = 0; index < kBuffers && index < tiles; ++index) fetch(index);

    bool ok = true;
    for (int index = 0; index < tiles && ok; ++index) {
        const int buffer = index % kBuffers;
        const unsigned parity = static_cast<unsigned>(index / kBuffers) & 1;
        if (bug != Bug::no_wait_for_data)
            ok = mbarrier_wait(full[buffer], bug == Bug::wrong_parity ? parity ^ 1 : parity, kLimit);
        for (int i = static_cast<int>(threadIdx.x); i < kTile && ok; i += kThreads)
            out[index * kTile + i] = 2 * tile[buffer][i];
        mbarrier_arrive(empty[buffer]);
        if (threadIdx.x == 0 && index + kBuffers < tiles) {
            if (bug != Bug::no_wait_for_room) ok = ok && mbarrier_wait(empty[buffer], parity, kLimit);
            fetch(index + kBuffers);
        }
    }
    if (!ok) atomicOr(expired, 1u);
}

__global__ void __launch_bounds__(kThreads)
    async_kernel(float* __restrict__ out, const float* __restrict__ in, int tiles, Bug bug) {
    constexpr int kBuffers = 3;
    static_assert(kTile == 4 * kThreads, "a copy of 16 bytes a thread");
    RONDO_SHARED(float, tile, [kBuffers][kTile]);
    const int mine = 4 * static_cast<int>(threadIdx.x), neighbours = mine ^ 4;

    // A group is closed for every tile, also past the end, so that their number tells which have come.
    const auto fetch = [&](int index) {
        if (index < tiles) copy_async(&tile[index % kBuffers][mine], in + index * kTile + mine);
        copy_async_commit();
    };
    fetch(0);
    fetch(1);
    for (int index = 0; index < tiles; ++index) {
        if (bug == Bug::waits_for_one_too_few)
            copy_async_wait<2>();
        else
            copy_async_wait<1>();
        if (bug != Bug::no_barrier_after_wait) __syncthreads();
        // All have read tile index - 1 before the barrier, so that its buffer is free.
        fetch(index + 2);
        for (int i = 0; i < 4; ++i) out[index * kTile + neighbours + i] = 2 * tile[index % kBuffers][neighbours + i];
    }
}

}  // namespace

void double_tiles_bulk(float* out, const float* in, unsigned* expired, int tiles, Bug bug, cudaStream_t stream) {
    launch({.kernel = "double_tiles_bulk", .grid = 1, .block = kThreads, .stream = stream}, bulk_kernel, out, in,
           expired, tiles, bug);
}

void double_tiles_async(float* out, const float* in, int tiles, Bug bug, cudaStream_t stream) {
    launch({.kernel = "double_tiles_async", .grid = 1, .block = kThreads, .stream = stream}, async_kernel, out, in,
           tiles, bug);
}

}  // namespace rondo::lane_test
