#pragma once
/// Sums over long arrays in two passes: blocks in fixed shares, then their partial sums in order. In double; the same
/// bits every time, since who adds what depends on the count alone.
#include <algorithm>

#include "arrays.hpp"
#include "device/warp.cuh"
#include "elements.cuh"

namespace rondo::kernels {

inline constexpr int kSumThreads = 256;

/// Blocks of pass 1: eight elements a thread, kMostPartials blocks at most.
inline std::int64_t partials_of(std::int64_t count) {
    return std::clamp<std::int64_t>(device::ceil_div(count, kSumThreads * 8), 1, kMostPartials);
}

/// partial[block] = Σ term(i) over the block's share of [0, count).
template <class Term>
RONDO_DEVICE void sum_share(double* partial, std::int64_t count, const Term& term) {
    double sum = 0;
    for (std::int64_t i = global_thread(); i < count; i += grid_threads()) sum += term(i);
    sum = device::block_sum<kSumThreads>(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/// *total = (accumulate ? *total : 0) + Σ partial[0..count): one block.
static __global__ void __launch_bounds__(kSumThreads)
    sum_partials(double* total, const double* partial, std::int64_t count, bool accumulate) {
    double sum = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += kSumThreads) sum += partial[i];
    sum = device::block_sum<kSumThreads>(sum);
    if (threadIdx.x == 0) *total = accumulate ? *total + sum : sum;
}

static inline void launch_sum_partials(double* total, const double* partial, std::int64_t count, bool accumulate,
                                       cudaStream_t stream) {
    device::launch({.kernel = "sum_partials", .block = kSumThreads, .stream = stream}, sum_partials, total, partial,
                   count, accumulate);
}

}  // namespace rondo::kernels
