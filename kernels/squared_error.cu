// *loss += Σ (p - y)²;  dp = 2·scale·(p - y), where wanted; dp may be p; scale in device memory
//   traffic: 3·S bytes an element; sums in double and in fixed order; deterministic
#include "sum.cuh"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kSumThreads)
    squared_error_shares(double* partial, const S* p, const S* y, std::int64_t count, S* dp, const double* scale,
                         const double* loss_scale) {
    const double factor = 2 * value_or_one(scale) * value_or_one(loss_scale);
    sum_share(partial, count, [=](std::int64_t i) {
        const double d = static_cast<double>(to_compute(p[i])) - static_cast<double>(to_compute(y[i]));
        if (dp != nullptr) dp[i] = to_storage<S>(static_cast<Compute<S>>(factor * d));
        return d * d;
    });
}

void squared_error(const SquaredErrorArrays& a, double* scratch, cudaStream_t stream) {
    const std::int64_t blocks = partials_of(a.count);
    with_storage(a.dtype, [&]<class S>() {
        device::launch({.kernel = "squared_error_shares",
                        .grid = dim3(static_cast<unsigned>(blocks)),
                        .block = kSumThreads,
                        .stream = stream},
                       squared_error_shares<S>, scratch, static_cast<const S*>(a.prediction),
                       static_cast<const S*>(a.target), a.count, static_cast<S*>(a.dprediction), a.scale, a.loss_scale);
    });
    launch_sum_partials(a.loss, scratch, blocks, true, stream);
}

}  // namespace rondo::kernels
