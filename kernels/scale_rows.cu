// to[r,:] = (add ? to[r,:] : 0) + factors[r]·from[r,:], nothing where the factor is 0, whatever `from` holds
//   factors [R] factor_stride apart, from [R,N] or null for ones, in S   to [R,N] in T: S, or what S accumulates in
//   traffic: S + T bytes an element, S + 2·T where it adds; memory-bound; deterministic
#include "elements.cuh"
#include "sampled_softmax.hpp"

namespace rondo::kernels {

template <class T, class S>
__global__ void __launch_bounds__(kThreads) scale_rows_kernel(const ScaleRowsArrays a) {
    for (std::int64_t i = global_thread(); i < a.rows * a.cols; i += grid_threads()) {
        const Compute<S> factor =
            to_compute(static_cast<const S*>(a.factors)[place_of(i, a.cols).row * a.factor_stride]);
        T* const to = static_cast<T*>(a.to) + i;
        Compute<T> sum = a.add ? to_compute(*to) : Compute<T>(0);
        if (factor != Compute<S>(0))
            sum += a.from == nullptr ? factor : factor * to_compute(static_cast<const S*>(a.from)[i]);
        *to = to_storage<T>(sum);
    }
}

namespace {

template <class T, class S>
void launch_scale_rows(const ScaleRowsArrays& a, cudaStream_t stream) {
    device::launch(
        {.kernel = "scale_rows", .grid = striding_blocks(a.rows * a.cols), .block = kThreads, .stream = stream},
        scale_rows_kernel<T, S>, a);
}

}  // namespace

void scale_rows(const ScaleRowsArrays& a, cudaStream_t stream) {
    if (a.rows * a.cols == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        if (a.to_dtype == a.dtype) return launch_scale_rows<S, S>(a, stream);
        if constexpr (sizeof(S) == 2) {
            if (a.to_dtype == DType::f32) return launch_scale_rows<float, S>(a, stream);
        }
        refuse("to_dtype", a.to_dtype, "must be that of the rows, or f32 for rows of 16 bits");
    });
}

}  // namespace rondo::kernels
