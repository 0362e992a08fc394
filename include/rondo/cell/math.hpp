#pragma once
/// The functions cells are written with. They are overloaded for float and double here (host and device) and for SIMD
/// packs in host/cpu; a cell calls them unqualified after `using namespace rondo::math`, so that argument-dependent
/// lookup finds the overload of its scalar.
#include <cmath>

// RONDO_ROW: of maps over rows, which call what a block of a GPU has and its host code has not.
#if defined(__CUDACC__)
#define RONDO_HD __host__ __device__ __forceinline__
#define RONDO_ROW __device__ __forceinline__
#else
#define RONDO_HD inline __attribute__((always_inline))
#define RONDO_ROW inline
#endif

namespace rondo::math {

RONDO_HD float exp(float x) { return ::expf(x); }
RONDO_HD double exp(double x) { return ::exp(x); }
RONDO_HD float log(float x) { return ::logf(x); }
RONDO_HD double log(double x) { return ::log(x); }
RONDO_HD float tanh(float x) { return ::tanhf(x); }
RONDO_HD double tanh(double x) { return ::tanh(x); }
RONDO_HD float abs(float x) { return ::fabsf(x); }
RONDO_HD double abs(double x) { return ::fabs(x); }
RONDO_HD float sqrt(float x) { return ::sqrtf(x); }
RONDO_HD double sqrt(double x) { return ::sqrt(x); }
RONDO_HD float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
RONDO_HD double fma(double a, double b, double c) { return ::fma(a, b, c); }

/// 1 / (1 + e^-x). e^-x overflows to infinity for large negative x, which gives the right limit 0.
RONDO_HD float sigmoid(float x) {
    const float divisor = 1.0f + exp(-x);
#if defined(__CUDA_ARCH__)
    // Within one ulp (PTX ISA, rcp). The correctly rounded quotient takes a branch, over which a thread's other elements
    // cannot be made meanwhile.
    float quotient;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(quotient) : "f"(divisor));
    return quotient;
#else
    return 1.0f / divisor;
#endif
}
RONDO_HD double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

/// Whether the sign is negative, of zero too.
template <class T>
RONDO_HD auto negative(T x) {
    return T(1) / x < T(0);
}
RONDO_HD bool negative(float x) { return std::signbit(x); }
RONDO_HD bool negative(double x) { return std::signbit(x); }

/// condition ? a : b, element by element where the condition is a pack of masks.
template <class T>
RONDO_HD T select(bool condition, T a, T b) {
    return condition ? a : b;
}

/// x clamped to [-limit, limit]; NaN stays NaN.
template <class T>
RONDO_HD T clamp(T x, T limit) {
    return select(x > limit, limit, select(x < -limit, -limit, x));
}

/// log(1 + e^x), written so that nothing overflows.
template <class T>
RONDO_HD T softplus(T x) {
    return select(x > T(0), x, T(0)) + log(T(1) + exp(T(0) - abs(x)));
}

/// Derivatives in terms of the function's value.
template <class T>
RONDO_HD T d_sigmoid(T y) {
    return y * (T(1) - y);
}
template <class T>
RONDO_HD T d_tanh(T y) {
    return T(1) - y * y;
}

}  // namespace rondo::math
