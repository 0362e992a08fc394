// factor[b] = |carry[b,:] + product[b,:]| > limit ? limit / |...| : 1, one block a row
//   carry, product [B,W]   factor [B]
//   traffic: 2·C bytes an element, read once; sums in double and in fixed order; deterministic
#include "device/warp.cuh"
#include "pointwise/incoming.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kThreads) clip_rows_kernel(const Incoming g, double limit, Compute<S>* factor) {
    const std::int64_t row = blockIdx.x;
    double sum = 0;
    for (std::int64_t column = threadIdx.x; column < g.width; column += kThreads) {
        Compute<S> d[1];
        unclipped<S>(d, g, row, column);
        sum += static_cast<double>(d[0]) * static_cast<double>(d[0]);
    }
    const double norm = sqrt(device::block_sum<kThreads>(sum));
    if (threadIdx.x == 0) {
        const bool clips = norm > limit && takes(g.lengths, row, g.later);
        factor[row] = clips ? static_cast<Compute<S>>(limit / norm) : Compute<S>(1);
    }
}

void clip_rows(DType storage, const Incoming& dh, std::int64_t batch, double limit, void* row_factor,
               cudaStream_t stream) {
    with_storage(storage, [&]<class S>() {
        device::launch(
            {.kernel = "clip_rows", .grid = device::blocks_for(batch, 1), .block = kThreads, .stream = stream},
            clip_rows_kernel<S>, dh, limit, static_cast<Compute<S>*>(row_factor));
    });
}

}  // namespace rondo::kernels
