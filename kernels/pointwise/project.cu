// h' of a projected layer: next = row takes step t ? product : h;  y = scale·next, 0 for idle rows
//   product, h, next [B,P]   y rows y_stride apart; one thread per (b, kCount neighbouring p)
//   traffic: C + 3·S bytes an element; memory-bound; deterministic
#include "pointwise/cell.hpp"
#include "pointwise/output.cuh"

namespace rondo::kernels {

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads)
    store_projected_kernel(const __grid_constant__ Directions<ProjectedState> directions) {
    const ProjectedState& a = directions.of[blockIdx.y];
    using C = Compute<S>;
    const std::int64_t index = global_thread() * kCount;
    if (index >= a.batch * a.width) return;
    const Place at = place_of(index, a.width);
    const Output<S> y{static_cast<S*>(a.y), a.y_stride, static_cast<C>(a.y_scale), a.y_add};
    C h[kCount];
    if (takes(a.lengths, at.row, a.t)) {
        load(h, static_cast<const C*>(a.product) + index);
#pragma unroll
        for (int i = 0; i < kCount; ++i) h[i] = rounded<S>(h[i]);
        y.put(h, at.row, at.column);
    } else {
        load_any(h, static_cast<const S*>(a.h) + index);
        y.template put_idle<kCount>(at.row, at.column);
    }
    store_any(static_cast<S*>(a.next) + index, h);
    feed_back<S>(a.fed_back, a.recurrent_mask, h, index);
}

void store_projected(DType storage, const Directions<ProjectedState>& state, cudaStream_t stream) {
    const ProjectedState& a = state.of[0];
    with_storage(storage, [&]<class S>() {
        constexpr int kCount = kWide<S>;
        bool wide = a.width % kCount == 0;
        for (int d = 0; d < state.count; ++d)
            wide = wide && all_aligned<kCount>(sizeof(Compute<S>), state.of[d].product);
        const std::int64_t elements = a.batch * a.width;
        device::launch({.kernel = "store_projected",
                        .grid = blocks_of_directions(wide ? elements / kCount : elements, state.count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? store_projected_kernel<S, kCount> : store_projected_kernel<S, 1>, state);
    });
}

}  // namespace rondo::kernels
