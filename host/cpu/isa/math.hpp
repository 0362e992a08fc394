#pragma once
/// exp, tanh, sigmoid, log, abs of packs, found by argument-dependent lookup from the cells.
///
/// Largest errors against the true value, in units in the last place of the result (tests/cpu/math_test.cpp):
///     exp 1.2   tanh 2.6   sigmoid 2.6   log 1.2     with fused multiply-add; up to twice as much without
/// everywhere, also near 0 (tanh's is relative there). Results below the smallest normal number may be off by one
/// smallest denormal. NaN gives NaN; exp overflows to infinity and underflows to 0; tanh keeps the sign of 0.
///
/// Polynomials: weighted minimax fits in 40 digits (relative to e^r - 1, and to log), of degree as the type needs.
#include "cpu/isa/pack.hpp"

namespace rondo::cpu::RONDO_ISA {

/// The type's numbers.
template <class T>
struct Real;
template <>
struct Real<float> {
    using Bits = std::int32_t;
    static constexpr int kMantissa = 23, kBias = 127;
    static constexpr float kMagic = 12582912.0f;             // 1.5·2^23: adding it rounds to an integer
    static constexpr float kLn2High = 0x1.62e4p-1f;          // few bits, so that n·kLn2High is exact
    static constexpr float kLn2Low = 0x1.7f7d1cp-20f;        // ln 2 - kLn2High
    static constexpr float kExpMax = 89, kExpMin = -105;     // beyond: infinity, and 0
    static constexpr float kTanhMax = 10, kSigmoidMax = 80;  // beyond: 1
    static constexpr float kSmallestNormal = 0x1p-126f;
    static constexpr float kExp[] = {0.5f, 0x1.5554bp-3f, 0x1.555486p-5f, 0x1.122838p-7f, 0x1.6d9948p-10f};
    static constexpr float kLog[] = {0x1.555554p-1f, 0x1.999a7cp-2f, 0x1.2438a8p-2f, 0x1.e2fde2p-3f};
};
template <>
struct Real<double> {
    using Bits = std::int64_t;
    static constexpr int kMantissa = 52, kBias = 1023;
    static constexpr double kMagic = 6755399441055744.0;  // 1.5·2^52
    static constexpr double kLn2High = 0x1.62e42feep-1;
    static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
    static constexpr double kExpMax = 710, kExpMin = -746;
    static constexpr double kTanhMax = 20, kSigmoidMax = 700;
    static constexpr double kSmallestNormal = 0x1p-1022;
    static constexpr double kExp[] = {0x1.0000000000005p-1,  0x1.555555555555bp-3,  0x1.5555555552083p-5,
                                      0x1.111111110eb86p-7,  0x1.6c16c17f50706p-10, 0x1.a01a01b43a47cp-13,
                                      0x1.a019a6407030bp-16, 0x1.71ddedac8b601p-19, 0x1.28a2ed51c107ep-22,
                                      0x1.af70d8b715b03p-26};
    static constexpr double kLog[] = {0x1.5555555555593p-1, 0x1.999999997fb1ap-2, 0x1.2492494218affp-2,
                                      0x1.c71c51e73a69ep-3, 0x1.7466464edabdcp-3, 0x1.39a0f1e3122cap-3,
                                      0x1.2f0dab6cdb77dp-3};
};

template <class T>
RONDO_HD auto bits_of(Pack<T> x) {
    return __builtin_bit_cast(typename Vectors<T>::Integer, x.v);
}
template <class T>
RONDO_HD Pack<T> from_bits(typename Vectors<T>::Integer bits) {
    return Pack<T>(__builtin_bit_cast(typename Vectors<T>::Native, bits));
}

template <class T>
RONDO_HD Pack<T> abs(Pack<T> x) {
    return from_bits<T>(bits_of(x) & ~bits_of(Pack<T>(T(-0.0))));
}
/// |x| with the sign of s, for x >= 0.
template <class T>
RONDO_HD Pack<T> with_sign(Pack<T> x, Pack<T> s) {
    return from_bits<T>(bits_of(x) | (bits_of(s) & bits_of(Pack<T>(T(-0.0)))));
}

/// c[0] + c[1]·x + ...
template <class T, int kCount>
RONDO_HD Pack<T> polynomial(Pack<T> x, const T (&c)[kCount]) {
    Pack<T> sum = c[kCount - 1];
    RONDO_UNROLL
    for (int i = kCount - 2; i >= 0; --i) sum = fma(sum, x, Pack<T>(c[i]));
    return sum;
}

/// 2^n for |n| within the exponents of normal numbers.
template <class T>
RONDO_HD Pack<T> power_of_two(typename Vectors<T>::Integer n) {
    return from_bits<T>((n + Real<T>::kBias) << Real<T>::kMantissa);
}

/// x = n·ln 2 + r with |r| <= ln 2 / 2.
template <class T>
struct Reduced {
    typename Vectors<T>::Integer n;
    Pack<T> whole, r;
};
template <class T>
RONDO_HD Reduced<T> reduce(Pack<T> x) {
    using R = Real<T>;
    const Pack<T> shifted = fma(x, Pack<T>(T(1.44269504088896340736)), Pack<T>(R::kMagic));
    const Pack<T> n = shifted - Pack<T>(R::kMagic);
    Pack<T> r = fma(n, Pack<T>(-R::kLn2High), x);
    r = fma(n, Pack<T>(-R::kLn2Low), r);
    return {bits_of(shifted) - bits_of(Pack<T>(R::kMagic)), n, r};
}
/// e^r - 1, of small relative error.
template <class T>
RONDO_HD Pack<T> expm1_reduced(Pack<T> r) {
    return fma(r * r, polynomial(r, Real<T>::kExp), r);
}

template <class T>
RONDO_HD Pack<T> exp(Pack<T> x) {
    using R = Real<T>;
    x = select(x > Pack<T>(R::kExpMax), Pack<T>(R::kExpMax), x);  // NaN compares false and stays
    x = select(x < Pack<T>(R::kExpMin), Pack<T>(R::kExpMin), x);
    const Reduced<T> x0 = reduce(x);
    const Pack<T> e = expm1_reduced(x0.r) + Pack<T>(T(1));
    const auto half = x0.n >> 1;  // in two factors, since 2^n alone may be too large or too small to be written
    return e * power_of_two<T>(half) * power_of_two<T>(x0.n - half);
}

/// (e^2|x| - 1) / (e^2|x| + 1), with e^2|x| - 1 kept exact where it is small.
template <class T>
RONDO_HD Pack<T> tanh(Pack<T> x) {
    Pack<T> a = abs(x);
    a = select(a > Pack<T>(Real<T>::kTanhMax), Pack<T>(Real<T>::kTanhMax), a);
    const Reduced<T> a2 = reduce(a + a);
    const Pack<T> s = power_of_two<T>(a2.n);
    const Pack<T> e = fma(s, expm1_reduced(a2.r), s - Pack<T>(T(1)));
    return with_sign(e / (e + Pack<T>(T(2))), x);
}

template <class T>
RONDO_HD Pack<T> sigmoid(Pack<T> x) {
    // e^-x below one half ulp of 1 does not show; kept a normal number, since denormal ones are slow.
    const Pack<T> limit = Real<T>::kSigmoidMax;
    return Pack<T>(T(1)) / (exp(-select(x > limit, limit, x)) + Pack<T>(T(1)));
}

/// x = 2^n·(1 + f), sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) from s = f / (2 + f) and the series in s².
template <class T>
RONDO_HD Pack<T> log(Pack<T> x) {
    using R = Real<T>;
    const Pack<T> zero = T(0), one = T(1), infinity = T(__builtin_inf());
    const auto tiny = x < Pack<T>(R::kSmallestNormal);
    // The magnitude: subtracting from the bits of -0 would leave the integers' range.
    const Pack<T> scaled = abs(select(tiny, x * Pack<T>(T(std::int64_t(1) << (R::kMantissa + 1))), x));
    const auto root_half = bits_of(Pack<T>(T(0.70710678118654752440)));
    const auto offset = bits_of(scaled) - root_half;
    const auto exponent = offset >> R::kMantissa;
    const Pack<T> f = from_bits<T>(bits_of(scaled) - (exponent << R::kMantissa)) - one;
    // The integer exponent as T: its bits added to those of kMagic.
    Pack<T> n = from_bits<T>(exponent + bits_of(Pack<T>(R::kMagic))) - Pack<T>(R::kMagic);
    n = n - select(tiny, Pack<T>(T(R::kMantissa + 1)), zero);
    const Pack<T> s = f / (f + Pack<T>(T(2)));
    const Pack<T> z = s * s, half_square = f * f * Pack<T>(T(0.5));
    // log(1 + f) = f - f²/2 + s·(f²/2 + z·R(z))
    const Pack<T> tail = s * (half_square + z * polynomial(z, R::kLog)) + n * Pack<T>(R::kLn2Low);
    Pack<T> y = n * Pack<T>(R::kLn2High) - ((half_square - tail) - f);
    y = select(x == infinity, infinity, y);
    y = select(x == zero, -infinity, y);
    return select(x >= zero, y, select(x < zero, Pack<T>(T(__builtin_nan(""))), x));
}

}  // namespace rondo::cpu::RONDO_ISA
