#include "device/grid_barrier.cuh"
#include "device/launch.hpp"
#include "device/mma.cuh"
#include "lane/kernels/loops.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

constexpr int kUnits = 16, kBatch = 8;
constexpr SpinLimit kLimit{2'000'000'000};

RONDO_DEVICE std::uint32_t pair_at(const bf16* p) { return *reinterpret_cast<const std::uint32_t*>(p); }

/// sums [kBatch][kUnits] of this block = h·Wᵀ, the units as rows of A and the batch as columns of B.
RONDO_DEVICE void multiply(float (*sums)[kUnits], const bf16* w, const bf16* h, int hidden, Bug bug) {
    const unsigned group = lane_index() / 4, pair = lane_index() % 4;
    float d[4] = {};
    for (int k = 0; k < hidden; k += 16) {
        const bf16* const upper = w + group * hidden + k + 2 * pair;
        const bf16* const lower = upper + 8 * hidden;
        std::uint32_t a[4] = {pair_at(upper), pair_at(lower), pair_at(upper + 8), pair_at(lower + 8)};
        if (bug == Bug::swapped_fragments) {
            const std::uint32_t kept = a[1];
            a[1] = a[2];
            a[2] = kept;
        }
        const bf16* const column = h + group * hidden + k + 2 * pair;
        const std::uint32_t b[2] = {pair_at(column), pair_at(column + 8)};
        mma_m16n8k16<bf16>(d, a, b);
    }
    sums[2 * pair][group] = d[0];
    sums[2 * pair + 1][group] = d[1];
    sums[2 * pair][group + 8] = d[2];
    sums[2 * pair + 1][group + 8] = d[3];
}

/// The grid's barrier, or what the planted fault makes of it.
RONDO_DEVICE bool meet_others(const GridLoop& loop, int step) {
    if (loop.bug == Bug::block_barrier_only) {
        __syncthreads();
        return true;
    }
    if (loop.bug == Bug::one_block_stays_away && blockIdx.x == 1) return true;
    return grid_barrier(loop.arrived, static_cast<unsigned>(step), kLimit);
}

__global__ void __launch_bounds__(32) grid_loop_kernel(const GridLoop loop) {
    RONDO_SHARED(float, sums, [kBatch][kUnits]);
    const int first = static_cast<int>(blockIdx.x) * kUnits, hidden = loop.hidden, plane = kBatch * hidden;
    for (int t = 0; t < loop.steps; ++t) {
        const bf16* const h = loop.h + t % 2 * plane;
        bf16* const next = loop.h + (loop.bug == Bug::single_buffer ? t % 2 : (t + 1) % 2) * plane;
        multiply(sums, loop.w + first * hidden, h, hidden, loop.bug);
        if (loop.bug != Bug::missing_barrier) __syncthreads();
        for (unsigned i = threadIdx.x; i < kBatch * kUnits; i += 32) {
            const int row = static_cast<int>(i) / kUnits, unit = static_cast<int>(i) % kUnits;
            const int at = row * hidden + first + unit;
            const float value = tanhf(loop.x[t * plane + at] + sums[row][unit]);
            loop.y[t * plane + at] = value;
            next[at] = to_storage<bf16>(value);
        }
        if (!meet_others(loop, t)) {
            if (threadIdx.x == 0) atomicOr(loop.expired, 1u);
            return;
        }
    }
}

}  // namespace

void grid_loop(const GridLoop& loop, cudaStream_t stream) {
    launch({.kernel = "grid_loop",
            .grid = blocks_for(loop.hidden, kUnits),
            .block = 32,
            .cooperative = true,
            .stream = stream},
           grid_loop_kernel, loop);
}

}  // namespace rondo::lane_test
