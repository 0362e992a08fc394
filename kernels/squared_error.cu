// *loss += Σ (p - y)²;  dp = 2·scale·(p - y), where wanted; dp may be p
//   traffic: 3·S bytes an element; sums in double and in fixed order; deterministic
#include "sum.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kSumThreads)
    squared_error_shares(double* partial, const S* p, const S* y, std::int64_t count, S* dp, double scale) {
    sum_share(partial, count, [=](std::int64_t i) {
        const double d = static_cast<double>(to_compute(p[i])) - static_cast<double>(to_compute(y[i]));
        if (dp != nullptr) dp[i] = to_storage<S>(static_cast<Compute<S>>(2 * scale * d));
        return d * d;
    });
}

void squared_error(DType dtype, const void* prediction, const void* target, std::int64_t count, double* loss,
                   void* dprediction, double scale, double* scratch, cudaStream_t stream) {
    const std::int64_t blocks = partials_of(count);
    with_storage(dtype, [&]<class S>() {
        device::launch({.kernel = "squared_error_shares",
                        .grid = dim3(static_cast<unsigned>(blocks)),
                        .block = kSumThreads,
                        .stream = stream},
                       squared_error_shares<S>, scratch, static_cast<const S*>(prediction),
                       static_cast<const S*>(target), count, static_cast<S*>(dprediction), scale);
    });
    launch_sum_partials(loss, scratch, blocks, true, stream);
}

}  // namespace rondo::kernels
