// sums[n] = (accumulate ? sums[n] : 0) + Σ_m x[m,n], in two passes without atomics
//   pass 1: a block sums kColumns columns over a fixed share of the rows, its threads row by row, then in fixed order
//   pass 2: the shares, in order (there is none where one share does)
//   x [M,N], rows `stride` apart   sums [N] in C   partial [shares,N] in C
//   traffic: S bytes an element once; memory-bound; deterministic (how rows are shared depends on M and N alone)
#include "rows.hpp"
#include "shares.cuh"

namespace rondo::kernels {
namespace {

constexpr int kColumns = 32, kRows = 8;  // of a block

}  // namespace

/// Share blockIdx.y goes to to[share,:], or is added there.
template <class S>
__global__ void __launch_bounds__(kColumns* kRows)
    column_shares(Compute<S>* to, const S* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                  std::int64_t rows_of_share, bool accumulate) {
    using C = Compute<S>;
    RONDO_SHARED(C, sums, [kRows][kColumns]);
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x;
    const std::int64_t begin = blockIdx.y * rows_of_share;
    const std::int64_t end = begin + rows_of_share < rows ? begin + rows_of_share : rows;
    C sum = 0;
    if (column < cols)
        for (std::int64_t row = begin + threadIdx.y; row < end; row += kRows)
            sum += to_compute(x[row * stride + column]);
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || column >= cols) return;
    for (int i = 1; i < kRows; ++i) sum += sums[i][threadIdx.x];
    C* const out = to + blockIdx.y * cols + column;
    *out = accumulate ? *out + sum : sum;
}

void column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                 bool accumulate, void* scratch, std::int64_t scratch_bytes, cudaStream_t stream) {
    if (cols == 0) return;
    with_storage(dtype, [&]<class S>() {
        using C = Compute<S>;
        const std::int64_t shares = shares_of(rows, cols * static_cast<std::int64_t>(sizeof(C)), scratch_bytes);
        auto* const partial = static_cast<C*>(shares > 1 ? scratch : sums);
        dim3 grid = device::blocks_for(cols, kColumns);
        grid.y = static_cast<unsigned>(shares);
        device::launch({.kernel = "column_shares", .grid = grid, .block = dim3(kColumns, kRows), .stream = stream},
                       column_shares<S>, partial, static_cast<const S*>(x), rows, cols, stride,
                       device::ceil_div(rows, shares), accumulate && shares == 1);
        if (shares == 1) return;
        launch_sum_of_shares(static_cast<C*>(sums), partial, shares, cols, cols, accumulate, stream);
    });
}

}  // namespace rondo::kernels
