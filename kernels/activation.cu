// y = f(x), dx = dy·f'(x), element by element: tanh, sigmoid, ReLU (NaN stays), GELU x·Φ(x) by the error function
//   x, y, dy, dx [N]; y may be x, dx may be dy
//   traffic: 2·S bytes an element forward, 3·S backward; memory-bound; deterministic
#include "elements.cuh"
#include "feed_forward.hpp"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

using ActivationKind = ActivationArrays::Kind;

/// The normal distribution's Φ and its density.
RONDO_DEVICE float normal_cdf(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
RONDO_DEVICE double normal_cdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }
template <class C>
RONDO_DEVICE C normal_density(C x) {
    return math::exp(-x * x / 2) * static_cast<C>(0.39894228040143268);
}

template <class C>
RONDO_DEVICE C activation_of(ActivationKind kind, C x) {
    switch (kind) {
        case ActivationKind::tanh:
            return math::tanh(x);
        case ActivationKind::sigmoid:
            return math::sigmoid(x);
        case ActivationKind::relu:
            return x > 0 || x != x ? x : C(0);
        default:
            return x * normal_cdf(x);
    }
}

template <class C>
RONDO_DEVICE C slope_of(ActivationKind kind, C x) {
    switch (kind) {
        case ActivationKind::tanh:
            return math::d_tanh(math::tanh(x));
        case ActivationKind::sigmoid:
            return math::d_sigmoid(math::sigmoid(x));
        case ActivationKind::relu:
            return x > 0 ? C(1) : C(0);
        default:
            return normal_cdf(x) + x * normal_density(x);
    }
}

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) activation_forward_kernel(const ActivationArrays a) {
    for (std::int64_t i = global_thread() * kCount; i < a.count; i += grid_threads() * kCount) {
        Compute<S> x[kCount];
        load(x, static_cast<const S*>(a.x) + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) x[j] = activation_of(a.kind, x[j]);
        store(static_cast<S*>(a.y) + i, x);
    }
}

template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) activation_backward_kernel(const ActivationArrays a) {
    for (std::int64_t i = global_thread() * kCount; i < a.count; i += grid_threads() * kCount) {
        Compute<S> x[kCount], d[kCount];
        load(x, static_cast<const S*>(a.x) + i);
        load(d, static_cast<const S*>(a.dy) + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) d[j] *= slope_of(a.kind, x[j]);
        store(static_cast<S*>(a.dx) + i, d);
    }
}

void activation_forward(const ActivationArrays& a, cudaStream_t stream) {
    if (a.count == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.count % kCount == 0 && all_aligned<kCount>(sizeof(S), a.x, a.y);
        device::launch({.kernel = "activation_forward",
                        .grid = striding_blocks(wide ? a.count / kCount : a.count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? activation_forward_kernel<S, kCount> : activation_forward_kernel<S, 1>, a);
    });
}

void activation_backward(const ActivationArrays& a, cudaStream_t stream) {
    if (a.count == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.count % kCount == 0 && all_aligned<kCount>(sizeof(S), a.x, a.dy, a.dx);
        device::launch({.kernel = "activation_backward",
                        .grid = striding_blocks(wide ? a.count / kCount : a.count),
                        .block = kThreads,
                        .stream = stream},
                       wide ? activation_backward_kernel<S, kCount> : activation_backward_kernel<S, 1>, a);
    });
}

}  // namespace rondo::kernels
