#pragma once
/// The few functions the oracle's equations are made of, for every scalar it runs with: float, double,
/// std::complex<double> (whose imaginary part carries a directional derivative) and Reverse.
///
/// Whatever has a kink branches on the real part; abs and conj are never used, for they are not analytic.
#include <cmath>
#include <complex>

namespace rondo::reference {

inline float real_part(float x) { return x; }
inline double real_part(double x) { return x; }
inline double real_part(const std::complex<double>& x) { return x.real(); }

/// 1 / (1 + e^-x), written so that nothing overflows.
template <class S>
S sigmoid(const S& x) {
    using std::exp;
    if (real_part(x) >= 0) return S(1) / (S(1) + exp(-x));
    const S e = exp(x);
    return e / (S(1) + e);
}

/// log σ(x), likewise.
template <class S>
S log_sigmoid(const S& x) {
    using std::exp;
    using std::log;
    if (real_part(x) >= 0) return -log(S(1) + exp(-x));
    return x - log(S(1) + exp(x));
}

/// max(0, x); its derivative at 0 is 0. A product, so that reverse mode knows a gradient by the result where that is 0.
template <class S>
S relu(const S& x) {
    return x * (real_part(x) > 0 ? S(1) : S(0));
}

/// x clamped to [-limit, limit]; the derivative is 1 at the limits themselves.
template <class S>
S clamp(const S& x, double limit) {
    using Real = decltype(real_part(x));
    const Real bound = static_cast<Real>(limit);
    if (real_part(x) > bound) return S(bound);
    if (real_part(x) < -bound) return S(-bound);
    return x;
}

}  // namespace rondo::reference
