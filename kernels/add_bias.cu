// c[m,n] += bias[n], for products whose library call has no bias of its own (f64)
//   c [M,N], rows `stride` apart   bias [N]
//   traffic: 2·S bytes an element; memory-bound; deterministic
#include "elements.cuh"
#include "rows.hpp"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kThreads)
    add_bias_kernel(S* c, const S* bias, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    for (std::int64_t i = global_thread(); i < rows * cols; i += grid_threads()) {
        const Place at = place_of(i, cols);
        S* const to = c + at.row * stride + at.column;
        *to = to_storage<S>(to_compute(*to) + to_compute(bias[at.column]));
    }
}

void add_bias(DType dtype, void* c, const void* bias, std::int64_t rows, std::int64_t cols, std::int64_t stride,
              cudaStream_t stream) {
    if (rows * cols == 0) return;
    with_storage(dtype, [&]<class S>() {
        device::launch(
            {.kernel = "add_bias", .grid = striding_blocks(rows * cols), .block = kThreads, .stream = stream},
            add_bias_kernel<S>, static_cast<S*>(c), static_cast<const S*>(bias), rows, cols, stride);
    });
}

}  // namespace rondo::kernels
