// to[i] += from[i]
//   traffic: 3·S bytes an element; memory-bound; deterministic
#include "arrays.hpp"
#include "elements.cuh"

namespace rondo::kernels {

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) add_kernel(S* to, const S* from, std::int64_t count) {
    for (std::int64_t i = global_thread() * kCount; i < count; i += grid_threads() * kCount) {
        Compute<S> sum[kCount], x[kCount];
        load(sum, to + i);
        load(x, from + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) sum[j] += x[j];
        store(to + i, sum);
    }
}

void add(DType dtype, void* to, const void* from, std::int64_t count, cudaStream_t stream) {
    if (count == 0) return;
    with_storage(dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = count % kCount == 0 && all_aligned<kCount>(sizeof(S), to, from);
        device::launch({.kernel = "add",
                        .grid = striding_blocks(wide ? count / kCount : count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? add_kernel<S, kCount> : add_kernel<S, 1>, static_cast<S*>(to),
                       static_cast<const S*>(from), count);
    });
}

}  // namespace rondo::kernels
