// dgain[n] = Σ_m dy[m,n]·(x[m,n] - mean[m])·scale[m],  dbias[n] = Σ_m dy[m,n], or that added, in two passes (shares.cuh)
//   x, dy [M,N]   mean, scale [M] in C   dgain, dbias [N] in C   partial [shares,2,N] in C
//   traffic: 2·S bytes an element; memory-bound; deterministic (how rows are shared depends on M and N alone)
#include "feed_forward.hpp"
#include "shares.cuh"

namespace rondo::kernels {
namespace {

constexpr int kNormColumns = 32, kNormRows = 8;  // of a block

}  // namespace

/// Share blockIdx.y goes to partial[share].
template <class S>
__global__ void __launch_bounds__(kNormColumns* kNormRows)
    norm_parameter_shares(Compute<S>* partial, const LayerNormArrays a, std::int64_t rows_of_share) {
    using C = Compute<S>;
    RONDO_SHARED(C, sums, [2][kNormRows][kNormColumns]);
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kNormColumns + threadIdx.x;
    const std::int64_t begin = blockIdx.y * rows_of_share;
    const std::int64_t end = begin + rows_of_share < a.rows ? begin + rows_of_share : a.rows;
    C gain = 0, bias = 0;
    if (column < a.cols)
        for (std::int64_t row = begin + threadIdx.y; row < end; row += kNormRows) {
            const C x = to_compute(static_cast<const S*>(a.x)[row * a.cols + column]);
            const C dy = to_compute(static_cast<const S*>(a.dy)[row * a.cols + column]);
            gain += dy * ((x - static_cast<const C*>(a.mean)[row]) * static_cast<const C*>(a.scale)[row]);
            bias += dy;
        }
    sums[0][threadIdx.y][threadIdx.x] = gain;
    sums[1][threadIdx.y][threadIdx.x] = bias;
    __syncthreads();
    if (threadIdx.y > 1 || column >= a.cols) return;  // one row of threads for each of the two
    C sum = 0;
    for (int i = 0; i < kNormRows; ++i) sum += sums[threadIdx.y][i][threadIdx.x];
    partial[(blockIdx.y * 2 + threadIdx.y) * a.cols + column] = sum;
}

void layer_norm_parameters_backward(const LayerNormArrays& a, void* scratch, std::int64_t scratch_bytes,
                                    cudaStream_t stream) {
    if (a.cols == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        using C = Compute<S>;
        // Wider rows than the scratch holds are no layer's: it has 8 MiB.
        const auto bytes_of_share = 2 * a.cols * static_cast<std::int64_t>(sizeof(C));
        require(bytes_of_share <= scratch_bytes, "cols", a.cols, "is more than layer normalisation has scratch for");
        const std::int64_t shares = shares_of(a.rows, bytes_of_share, scratch_bytes);
        auto* const partial = static_cast<C*>(scratch);
        dim3 grid = device::blocks_for(a.cols, kNormColumns);
        grid.y = static_cast<unsigned>(shares);
        device::launch(
            {.kernel = "norm_parameter_shares", .grid = grid, .block = dim3(kNormColumns, kNormRows), .stream = stream},
            norm_parameter_shares<S>, partial, a, device::ceil_div(a.rows, shares));
        launch_sum_of_shares(static_cast<C*>(a.dgain), partial, shares, 2 * a.cols, a.cols, a.accumulate, stream);
        launch_sum_of_shares(static_cast<C*>(a.dbias), partial + a.cols, shares, 2 * a.cols, a.cols, a.accumulate,
                             stream);
    });
}

}  // namespace rondo::kernels
