// *sum = (accumulate ? *sum : 0) + Σ x[i]², in double; not finite where any x is not
//   traffic: S bytes an element, read once; deterministic
#include "sum.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kSumThreads) square_shares(double* partial, const S* x, std::int64_t count) {
    sum_share(partial, count, [=](std::int64_t i) {
        const double v = static_cast<double>(to_compute(x[i]));
        return v * v;
    });
}

void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate, double* scratch,
                    cudaStream_t stream) {
    const std::int64_t blocks = partials_of(count);
    with_storage(dtype, [&]<class S>() {
        device::launch({.kernel = "square_shares",
                        .grid = dim3(static_cast<unsigned>(blocks)),
                        .block = kSumThreads,
                        .stream = stream},
                       square_shares<S>, scratch, static_cast<const S*>(x), count);
    });
    launch_sum_partials(sum, scratch, blocks, accumulate, stream);
}

}  // namespace rondo::kernels
