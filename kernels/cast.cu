// to[i] = from[i] in another type, to nearest even: compute copies of master weights
//   traffic: size(from) + size(to) bytes an element; memory-bound; deterministic
#include "arrays.hpp"
#include "elements.cuh"

namespace rondo::kernels {

template <class To, class From, int kCount>
__global__ void __launch_bounds__(kThreads) cast_kernel(To* to, const From* from, std::int64_t count) {
    for (std::int64_t i = global_thread() * kCount; i < count; i += grid_threads() * kCount) {
        Compute<From> value[kCount];
        Compute<To> narrowed[kCount];
        load(value, from + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) narrowed[j] = static_cast<Compute<To>>(value[j]);
        store(to + i, narrowed);
    }
}

void cast(DType to_dtype, void* to, DType from_dtype, const void* from, std::int64_t count, cudaStream_t stream) {
    if (count == 0) return;
    with_storage(to_dtype, [&]<class To>() {
        with_storage(from_dtype, [&]<class From>() {
            constexpr int kCount = sizeof(From) == 8 || sizeof(To) == 8 ? 2 : 4;
            const bool wide =
                count % kCount == 0 && all_aligned<kCount>(sizeof(To), to) && all_aligned<kCount>(sizeof(From), from);
            device::launch({.kernel = "cast",
                            .grid = striding_blocks(wide ? count / kCount : count),
                            .block = kThreads,
                            .stream = stream},
                           wide ? cast_kernel<To, From, kCount> : cast_kernel<To, From, 1>, static_cast<To*>(to),
                           static_cast<const From*>(from), count);
        });
    });
}

}  // namespace rondo::kernels
