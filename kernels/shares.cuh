#pragma once
/// Sums over rows in two passes without atomics: blocks sum fixed shares of the rows, then the shares are added in order.
#include <algorithm>

#include "elements.cuh"

namespace rondo::kernels {

/// Rows that are worth a share, and how many shares there are at most.
inline constexpr std::int64_t kRowsOfShare = 64, kMostShares = 64;

/// As many shares as the rows are worth and the scratch holds; one at least.
inline std::int64_t shares_of(std::int64_t rows, std::int64_t bytes_of_share, std::int64_t scratch_bytes) {
    const std::int64_t most = std::min(kMostShares, scratch_bytes / bytes_of_share);
    return std::clamp<std::int64_t>(device::ceil_div(rows, kRowsOfShare), 1, std::max<std::int64_t>(most, 1));
}

template <class C>
__global__ void __launch_bounds__(kThreads) sum_of_shares(C* sums, const C* partial, std::int64_t shares,
                                                          std::int64_t stride, std::int64_t cols, bool accumulate) {
    const std::int64_t column = global_thread();
    if (column >= cols) return;
    C sum = 0;
    for (std::int64_t share = 0; share < shares; ++share) sum += partial[share * stride + column];
    sums[column] = accumulate ? sums[column] + sum : sum;
}

/// sums[n] = (accumulate ? sums[n] : 0) + Σ partial[share·stride + n]
template <class C>
void launch_sum_of_shares(C* sums, const C* partial, std::int64_t shares, std::int64_t stride, std::int64_t cols,
                          bool accumulate, cudaStream_t stream) {
    device::launch(
        {.kernel = "sum_of_shares", .grid = device::blocks_for(cols, kThreads), .block = kThreads, .stream = stream},
        sum_of_shares<C>, sums, partial, shares, stride, cols, accumulate);
}

}  // namespace rondo::kernels
