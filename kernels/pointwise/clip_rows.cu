// factor[b] = |carry[b,:] + product[b,:]| > limit ? limit / |...| : 1, one block a row
//   carry, product [B,W]   factor [B]
//   traffic: 2·C bytes an element, read once; sums in double and in fixed order; deterministic
#include "device/warp.cuh"
#include "pointwise/incoming.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kThreads) clip_rows_kernel(const __grid_constant__ Directions<RowClip> directions) {
    const RowClip& clip = directions.of[blockIdx.y];
    const Incoming& g = clip.dh;
    const std::int64_t row = blockIdx.x;
    double sum = 0;
    for (std::int64_t column = threadIdx.x; column < g.width; column += kThreads) {
        Compute<S> d[1];
        unclipped<S>(d, g, row, column);
        sum += static_cast<double>(d[0]) * static_cast<double>(d[0]);
    }
    const double norm = sqrt(device::block_sum<kThreads>(sum));
    if (threadIdx.x == 0) {
        const bool clips = norm > clip.limit && takes(g.lengths, row, g.later);
        static_cast<Compute<S>*>(clip.row_factor)[row] =
            clips ? static_cast<Compute<S>>(clip.limit / norm) : Compute<S>(1);
    }
}

void clip_rows(DType storage, const Directions<RowClip>& clip, std::int64_t batch, cudaStream_t stream) {
    dim3 blocks = device::blocks_for(batch, 1);
    blocks.y = static_cast<unsigned>(clip.count);
    with_storage(storage, [&]<class S>() {
        device::launch({.kernel = "clip_rows", .grid = blocks, .block = kThreads, .stream = stream},
                       clip_rows_kernel<S>, clip);
    });
}

}  // namespace rondo::kernels
