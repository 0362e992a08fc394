// to[g,:] = (add ? to[g,:] : 0) + Σ_i from[g·group_step + i·item_step,:], items in order; one thread a column or a few
//   to [G,N] in T: S, or what S accumulates in   from in S, rows from_stride elements apart
//   traffic: S bytes an element that is summed, once; memory-bound; deterministic
#include "elements.cuh"
#include "sequence.hpp"

namespace rondo::kernels {

template <class T, class S, int kCount>
__global__ void __launch_bounds__(kThreads) sum_rows_kernel(const RowSumArrays a) {
    for (std::int64_t i = global_thread() * kCount; i < a.groups * a.cols; i += grid_threads() * kCount) {
        const Place at = place_of(i, a.cols);
        const S* from = static_cast<const S*>(a.from) + at.row * a.group_step * a.from_stride + at.column;
        T* const to = static_cast<T*>(a.to) + i;
        Compute<T> sum[kCount];
        fill(sum, 0);
        if (a.add) load(sum, to);
#pragma unroll 4
        for (std::int64_t item = 0; item < a.items; ++item) {
            Compute<S> value[kCount];
            load(value, from + item * a.item_step * a.from_stride);
#pragma unroll
            for (int j = 0; j < kCount; ++j) sum[j] += value[j];
        }
        store(to, sum);
    }
}

namespace {

template <class T, class S>
void launch_sum_rows(const RowSumArrays& a, cudaStream_t stream) {
    constexpr int kCount = kFull<T>;  // T is never narrower than S
    const bool wide = a.cols % kCount == 0 && a.from_stride % kCount == 0 && all_aligned<kCount>(sizeof(T), a.to) &&
                      all_aligned<kCount>(sizeof(S), a.from);
    device::launch({.kernel = "sum_rows",
                    .grid = striding_blocks(wide ? a.groups * a.cols / kCount : a.groups * a.cols),
                    .block = kThreads,
                    .stream = stream},
                   wide ? sum_rows_kernel<T, S, kCount> : sum_rows_kernel<T, S, 1>, a);
}

}  // namespace

void sum_rows(const RowSumArrays& a, cudaStream_t stream) {
    if (a.groups * a.cols == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        if (a.to_dtype == a.dtype) return launch_sum_rows<S, S>(a, stream);
        if constexpr (sizeof(S) == 2) {
            if (a.to_dtype == DType::f32) return launch_sum_rows<float, S>(a, stream);
        }
        refuse("to_dtype", a.to_dtype, "must be that of the rows, or f32 for rows of 16 bits");
    });
}

}  // namespace rondo::kernels
