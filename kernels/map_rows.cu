// to[r,:] = from[(r / divide + shifts[r % divide]) % modulo,:], or added to what is there
//   to [R,N] in S   from [modulo,N] in F: S, or what S accumulates in   rows to_stride and from_stride elements apart
//   shifts [divide] or null
//   traffic: S + F bytes an element, 2·S + F where it adds; memory-bound; deterministic
#include "elements.cuh"
#include "sequence.hpp"

namespace rondo::kernels {

template <class S, class F, int kCount>
__global__ void __launch_bounds__(kThreads) map_rows_kernel(const RowMapArrays a) {
    for (std::int64_t i = global_thread() * kCount; i < a.rows * a.cols; i += grid_threads() * kCount) {
        const Place at = place_of(i, a.cols);
        const Place step = place_of(at.row, a.divide);
        const std::int64_t shift = a.shifts == nullptr ? 0 : a.shifts[step.column];
        const std::int64_t row = place_of(step.row + shift, a.modulo).column;
        S* const to = static_cast<S*>(a.to) + at.row * a.to_stride + at.column;
        Compute<F> from[kCount];
        load(from, static_cast<const F*>(a.from) + row * a.from_stride + at.column);
        Compute<S> value[kCount];
        fill(value, 0);
        if (a.add) load(value, to);
#pragma unroll
        for (int j = 0; j < kCount; ++j) value[j] = a.add ? value[j] + from[j] : from[j];
        store(to, value);
    }
}

namespace {

template <class S, class F>
void launch_map_rows(const RowMapArrays& a, cudaStream_t stream) {
    constexpr int kCount = kFull<F>;  // F is never narrower than S
    const bool wide = a.cols % kCount == 0 && a.to_stride % kCount == 0 && a.from_stride % kCount == 0 &&
                      all_aligned<kCount>(sizeof(S), a.to) && all_aligned<kCount>(sizeof(F), a.from);
    device::launch({.kernel = "map_rows",
                    .grid = striding_blocks(wide ? a.rows * a.cols / kCount : a.rows * a.cols),
                    .block = kThreads,
                    .stream = stream},
                   wide ? map_rows_kernel<S, F, kCount> : map_rows_kernel<S, F, 1>, a);
}

}  // namespace

void map_rows(const RowMapArrays& a, cudaStream_t stream) {
    if (a.rows * a.cols == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        if (a.from_dtype == a.dtype) return launch_map_rows<S, S>(a, stream);
        if constexpr (sizeof(S) == 2) {
            if (a.from_dtype == DType::f32) return launch_map_rows<S, float>(a, stream);
        }
        refuse("from_dtype", a.from_dtype, "must be that of the rows, or f32 for rows of 16 bits");
    });
}

}  // namespace rondo::kernels
