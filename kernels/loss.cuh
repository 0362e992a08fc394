#pragma once
/// What losses over classes share: a row's softmax, and sums of losses in order.
#include "device/warp.cuh"
#include "elements.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

inline constexpr int kRowThreads = 256;

struct LossShare {
    double loss;
    std::int64_t counted;
};

template <class C>
struct SoftmaxSum {
    C maximum, sum;
};

/// The row's softmax denominator, known to all threads.
template <int kCount, class S>
RONDO_DEVICE SoftmaxSum<Compute<S>> softmax_of(const S* x, std::int64_t classes) {
    using C = Compute<S>;
    C maximum = -static_cast<C>(HUGE_VAL), sum = 0;
#pragma unroll 1
    for (std::int64_t i = threadIdx.x * kCount; i < classes; i += kRowThreads * kCount) {
        C value[kCount];
        load(value, x + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) {
            const C v = value[j];
            if (v > maximum) {
                sum = sum * math::exp(maximum - v) + C(1);
                maximum = v;
            } else {
                sum += math::select(v == maximum, C(1), math::exp(v - maximum));  // of infinities too; NaN goes through
            }
        }
    }
    const C all = device::block_max<kRowThreads>(maximum);
    if (sum != C(0)) sum *= math::select(maximum == all, C(1), math::exp(maximum - all));
    return {all, device::block_sum<kRowThreads>(sum)};
}

/// One block, in an order that the count alone decides. Counts are exact in double.
static __global__ void __launch_bounds__(kRowThreads)
    add_loss_shares(double* loss, std::int64_t* counted, const LossShare* shares, std::int64_t count) {
    double sum = 0, rows = 0;
    for (std::int64_t i = threadIdx.x; i < count; i += kRowThreads) {
        sum += shares[i].loss;
        rows += static_cast<double>(shares[i].counted);
    }
    sum = device::block_sum<kRowThreads>(sum);
    rows = device::block_sum<kRowThreads>(rows);
    if (threadIdx.x == 0) {
        *loss += sum;
        *counted += static_cast<std::int64_t>(rows);
    }
}

static inline void launch_add_loss_shares(double* loss, std::int64_t* counted, const LossShare* shares,
                                          std::int64_t count, cudaStream_t stream) {
    device::launch({.kernel = "add_loss_shares", .block = kRowThreads, .stream = stream}, add_loss_shares, loss,
                   counted, shares, count);
}

}  // namespace rondo::kernels
