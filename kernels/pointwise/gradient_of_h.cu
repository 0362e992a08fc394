// dh = clip(carry + product) + dy_scale·dy + dstep, one thread per (b, kCount neighbouring columns)
//   carry, product, dstep, out [B,W]   dy rows dy_stride apart
//   traffic: about 2·C + 3·S bytes an element; memory-bound; deterministic
#include "pointwise/incoming.cuh"

namespace rondo::kernels {

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads)
    gradient_of_h_kernel(const __grid_constant__ Directions<WholeGradient> directions, std::int64_t batch) {
    const Incoming& g = directions.of[blockIdx.y].dh;
    const std::int64_t index = global_thread() * kCount;
    if (index >= batch * g.width) return;
    const Place at = place_of(index, g.width);
    Compute<S> dh[kCount];
    incoming<S>(dh, g, at.row, at.column);
    store_any(static_cast<S*>(directions.of[blockIdx.y].out) + index, dh);
}

void gradient_of_h(DType storage, const Directions<WholeGradient>& gradient, std::int64_t batch, cudaStream_t stream) {
    const std::int64_t width = gradient.of[0].dh.width;
    with_storage(storage, [&]<class S>() {
        constexpr int kCount = kWide<S>;
        bool wide = width % kCount == 0;
        for (int d = 0; d < gradient.count; ++d)
            wide = wide && all_aligned<kCount>(sizeof(Compute<S>), gradient.of[d].dh.product);
        const std::int64_t elements = batch * width;
        device::launch({.kernel = "gradient_of_h",
                        .grid = blocks_of_directions(wide ? elements / kCount : elements, gradient.count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? gradient_of_h_kernel<S, kCount> : gradient_of_h_kernel<S, 1>, gradient, batch);
    });
}

}  // namespace rondo::kernels
