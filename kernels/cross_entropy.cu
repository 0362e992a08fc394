// loss += Σ_r log Σ_c e^(x[r,c] - max) + max - x[r,target];  dx = scale·(softmax(x) - onehot(target)), scale in device memory
//   one block a row at a time, rows in fixed shares: the maximum and the sum in one read of the row (each thread
//   rescales its sum when its maximum moves), the gradient in a second
//   x, dx [R,V] (dx may be x)   targets [R]: negative rows are left out, dx = 0 there
//   a target beyond the classes makes the loss NaN
//   traffic: 3·S bytes an element, the second read from the cache; losses in double and in order; deterministic
#include <algorithm>

#include "cross_entropy.hpp"
#include "loss.cuh"

namespace rondo::kernels {
namespace {

constexpr std::int64_t kMostLossShares = 1024;

}  // namespace

template <class S, int kCount>
__global__ void __launch_bounds__(kRowThreads, 1)  // or ptxas would spill in f64
    cross_entropy_rows(LossShare* shares, const S* logits, const std::int32_t* targets, std::int64_t rows,
                       std::int64_t classes, S* dlogits, const double* scale, const double* loss_scale) {
    using C = Compute<S>;
    const C all = static_cast<C>(value_or_one(scale) * value_or_one(loss_scale));
    LossShare share{0, 0};
    for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const S* const x = logits + row * classes;
        S* const dx = dlogits == nullptr ? nullptr : dlogits + row * classes;
        const std::int32_t target = targets[row];
        if (target < 0) {
            if (dx != nullptr)
                for (std::int64_t i = threadIdx.x; i < classes; i += kRowThreads) dx[i] = to_storage<S>(0);
            continue;
        }
        const SoftmaxSum<C> softmax = softmax_of<kCount>(x, classes);
        if (threadIdx.x == 0) {
            const double hit = target < classes ? static_cast<double>(to_compute(x[target])) : nan("");
            share.loss += log(static_cast<double>(softmax.sum)) + (static_cast<double>(softmax.maximum) - hit);
            ++share.counted;
        }
        if (dx == nullptr) continue;
        __syncthreads();  // x[target] has been read
        const C factor = all / softmax.sum;
#pragma unroll 1
        for (std::int64_t i = threadIdx.x * kCount; i < classes; i += kRowThreads * kCount) {
            C value[kCount];
            load(value, x + i);
#pragma unroll
            for (int j = 0; j < kCount; ++j) {
                value[j] = math::exp(value[j] - softmax.maximum) * factor;
                if (i + j == target) value[j] -= all;
            }
            store(dx + i, value);
        }
    }
    if (threadIdx.x == 0) shares[blockIdx.x] = share;
}

std::int64_t cross_entropy_scratch() { return kMostLossShares * static_cast<std::int64_t>(sizeof(LossShare)); }

void cross_entropy(const CrossEntropyRows& a, void* scratch, cudaStream_t stream) {
    if (a.rows == 0) return;
    const std::int64_t shares = std::min(a.rows, kMostLossShares);
    auto* const partial = static_cast<LossShare*>(scratch);
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.classes % kCount == 0 && all_aligned<kCount>(sizeof(S), a.logits, a.dlogits);
        device::launch({.kernel = "cross_entropy_rows",
                        .grid = dim3(static_cast<unsigned>(shares)),
                        .block = kRowThreads,
                        .stream = stream},
                       wide ? cross_entropy_rows<S, kCount> : cross_entropy_rows<S, 1>, partial,
                       static_cast<const S*>(a.logits), a.targets, a.rows, a.classes, static_cast<S*>(a.dlogits),
                       a.scale, a.loss_scale);
    });
    launch_add_loss_shares(a.loss, a.counted, partial, shares, stream);
}

}  // namespace rondo::kernels
