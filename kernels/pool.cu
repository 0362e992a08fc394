// y[b,:] = the last valid step of x[:,b,:], the mean of the valid ones, or the largest of each element (NaN where any is)
//   x, dx [T,B,W]   y, dy [B,W]   chosen [B,W]: the step a largest element came from, the first of equals, -1 for none
//   one thread a (b, element) or a few goes through the steps; backward, one a (t, b, element) takes its share or 0
//   traffic: S bytes a valid element forward (of one step for the last), S backward; deterministic
#include "elements.cuh"
#include "sequence.hpp"

namespace rondo::kernels {

using PoolKind = PoolArrays::Kind;

RONDO_DEVICE std::int64_t pooled_steps(const PoolArrays& a, std::int64_t b) {
    return a.lengths == nullptr ? a.steps : a.lengths[b];
}

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) pool_forward_kernel(const PoolArrays a) {
    const std::int64_t count = a.batch * a.width;
    for (std::int64_t i = global_thread() * kCount; i < count; i += grid_threads() * kCount) {
        const std::int64_t length = pooled_steps(a, place_of(i, a.width).row);
        const S* const x = static_cast<const S*>(a.x) + i;
        Compute<S> y[kCount];
        std::int32_t chosen[kCount];
        fill(y, 0);
        fill(chosen, length > 0 ? 0 : -1);
        if (length > 0 && a.kind != PoolKind::mean) load(y, x + (a.kind == PoolKind::last ? length - 1 : 0) * count);
        for (std::int64_t t = 0; t < length && a.kind != PoolKind::last; ++t) {
            Compute<S> value[kCount];
            load(value, x + t * count);
#pragma unroll
            for (int j = 0; j < kCount; ++j) {
                if (a.kind == PoolKind::mean) {
                    y[j] += value[j];
                } else if (value[j] > y[j] || value[j] != value[j]) {
                    y[j] = value[j];
                    chosen[j] = static_cast<std::int32_t>(t);
                }
            }
        }
#pragma unroll
        for (int j = 0; j < kCount; ++j)
            if (a.kind == PoolKind::mean && length > 0) y[j] /= static_cast<Compute<S>>(length);
        store(static_cast<S*>(a.y) + i, y);
        if (a.chosen == nullptr) continue;
#pragma unroll
        for (int j = 0; j < kCount; ++j) a.chosen[i + j] = chosen[j];
    }
}

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) pool_backward_kernel(const PoolArrays a) {
    const std::int64_t of_step = a.batch * a.width;
    for (std::int64_t i = global_thread() * kCount; i < a.steps * of_step; i += grid_threads() * kCount) {
        const Place at = place_of(i, of_step);  // a step, and the place in it
        const std::int64_t t = at.row, length = pooled_steps(a, place_of(at.column, a.width).row);
        const bool reached = a.kind == PoolKind::last ? t == length - 1 : t < length;
        Compute<S> dx[kCount];
        fill(dx, 0);
        if (reached) load(dx, static_cast<const S*>(a.dy) + at.column);
#pragma unroll
        for (int j = 0; j < kCount && reached; ++j) {
            if (a.kind == PoolKind::mean) dx[j] /= static_cast<Compute<S>>(length);
            if (a.kind == PoolKind::max && a.chosen[at.column + j] != t) dx[j] = 0;
        }
        store(static_cast<S*>(a.dx) + i, dx);
    }
}

void pool_forward(const PoolArrays& a, cudaStream_t stream) {
    const std::int64_t count = a.batch * a.width;
    if (count == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.width % kCount == 0 && all_aligned<kCount>(sizeof(S), a.x, a.y);
        device::launch({.kernel = "pool_forward",
                        .grid = striding_blocks(wide ? count / kCount : count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? pool_forward_kernel<S, kCount> : pool_forward_kernel<S, 1>, a);
    });
}

void pool_backward(const PoolArrays& a, cudaStream_t stream) {
    const std::int64_t count = a.steps * a.batch * a.width;
    if (count == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.width % kCount == 0 && all_aligned<kCount>(sizeof(S), a.dx, a.dy);
        device::launch({.kernel = "pool_backward",
                        .grid = striding_blocks(wide ? count / kCount : count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? pool_backward_kernel<S, kCount> : pool_backward_kernel<S, 1>, a);
    });
}

}  // namespace rondo::kernels
