// out[t,b,:] = t < lengths[b] ? x[t,b,:] : 0
//   x, out [T,B,I]   lengths [B]
//   traffic: 2·S bytes an element (1·S for padding, which is not read); memory-bound; deterministic
#include "elements.cuh"
#include "rows.hpp"

namespace rondo::kernels {

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) mask_rows_kernel(S* out, const S* x, std::int64_t rows, std::int64_t batch,
                                                             std::int64_t cols, const std::int64_t* lengths) {
    const std::int64_t count = rows * cols;
    for (std::int64_t i = global_thread() * kCount; i < count; i += grid_threads() * kCount) {
        const std::int64_t row = place_of(i, cols).row;
        const Place step = place_of(row, batch);  // row of x = (t, b)
        Compute<S> value[kCount];
        fill(value, 0);
        if (takes(lengths, step.column, step.row)) load(value, x + i);
        store(out + i, value);
    }
}

void mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch, std::int64_t cols,
               const std::int64_t* lengths, cudaStream_t stream) {
    const std::int64_t count = steps * batch * cols;
    if (count == 0) return;
    with_storage(dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = cols % kCount == 0 && all_aligned<kCount>(sizeof(S), out, x);
        device::launch({.kernel = "mask_rows",
                        .grid = striding_blocks(wide ? count / kCount : count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? mask_rows_kernel<S, kCount> : mask_rows_kernel<S, 1>, static_cast<S*>(out),
                       static_cast<const S*>(x), steps * batch, batch, cols, lengths);
    });
}

}  // namespace rondo::kernels
