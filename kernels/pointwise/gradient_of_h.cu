// dh = clip(carry + product) + dy_scale·dy + dstep, one thread per (b, kCount neighbouring columns)
//   carry, product, dstep, out [B,W]   dy rows dy_stride apart
//   traffic: about 2·C + 3·S bytes an element; memory-bound; deterministic
#include "pointwise/incoming.cuh"

namespace rondo::kernels {

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) gradient_of_h_kernel(const Incoming g, std::int64_t batch, S* out) {
    const std::int64_t index = global_thread() * kCount;
    if (index >= batch * g.width) return;
    const Place at = place_of(index, g.width);
    Compute<S> dh[kCount];
    incoming<S>(dh, g, at.row, at.column);
    store_any(out + index, dh);
}

void gradient_of_h(DType storage, const Incoming& dh, std::int64_t batch, void* out, cudaStream_t stream) {
    with_storage(storage, [&]<class S>() {
        constexpr int kCount = kWide<S>;
        const bool wide = dh.width % kCount == 0 && all_aligned<kCount>(sizeof(Compute<S>), dh.product);
        const std::int64_t elements = batch * dh.width;
        device::launch({.kernel = "gradient_of_h",
                        .grid = device::blocks_for(wide ? elements / kCount : elements, kThreads),
                        .block = kThreads,
                        .stream = stream},
                       wide ? gradient_of_h_kernel<S, kCount> : gradient_of_h_kernel<S, 1>, dh, batch,
                       static_cast<S*>(out));
    });
}

}  // namespace rondo::kernels
