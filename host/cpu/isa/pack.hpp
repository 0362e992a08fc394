#pragma once
/// A vector register of floats or doubles as a scalar type the cells' maps can be instantiated with.
///
/// Everything in this folder lives in namespace RONDO_ISA and calls no template or inline function from outside it
/// except through types of its own: two instruction sets must never share a symbol. Contraction is off; where a fused
/// multiply-add is meant, fma says so.
#include <cstdint>

#include "rondo/cell/math.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rondo::cpu::RONDO_ISA {

#if defined(__AVX512F__)
#define RONDO_VECTOR_BYTES 64
#elif defined(__AVX__)
#define RONDO_VECTOR_BYTES 32
#else
#define RONDO_VECTOR_BYTES 16
#endif

template <class T>
struct Vectors;
template <>
struct Vectors<float> {
    typedef float Native __attribute__((vector_size(RONDO_VECTOR_BYTES)));
    typedef float Loose __attribute__((vector_size(RONDO_VECTOR_BYTES), aligned(4), may_alias));
    typedef std::int32_t Integer __attribute__((vector_size(RONDO_VECTOR_BYTES)));
};
template <>
struct Vectors<double> {
    typedef double Native __attribute__((vector_size(RONDO_VECTOR_BYTES)));
    typedef double Loose __attribute__((vector_size(RONDO_VECTOR_BYTES), aligned(8), may_alias));
    typedef std::int64_t Integer __attribute__((vector_size(RONDO_VECTOR_BYTES)));
};

/// Lanes of a register.
template <class T>
inline constexpr int kLanes = RONDO_VECTOR_BYTES / static_cast<int>(sizeof(T));

constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

/// All bits set or none in each lane.
template <class T>
struct Mask {
    typename Vectors<T>::Integer v;
};

template <class T>
struct Pack {
    using Native = typename Vectors<T>::Native;
    using Loose = typename Vectors<T>::Loose;
    using Integer = typename Vectors<T>::Integer;
    Native v;

    Pack() = default;
    RONDO_HD Pack(T x) : v(x - Native{}) {}  // x - 0 and not 0 + x, which would lose the sign of -0
    explicit RONDO_HD Pack(Native n) : v(n) {}

    static RONDO_HD Pack load(const T* p) { return Pack(Native(*reinterpret_cast<const Loose*>(p))); }
    RONDO_HD void store(T* p) const { *reinterpret_cast<Loose*>(p) = v; }

    friend RONDO_HD Pack operator+(Pack a, Pack b) { return Pack(a.v + b.v); }
    friend RONDO_HD Pack operator-(Pack a, Pack b) { return Pack(a.v - b.v); }
    friend RONDO_HD Pack operator*(Pack a, Pack b) { return Pack(a.v * b.v); }
    friend RONDO_HD Pack operator/(Pack a, Pack b) { return Pack(a.v / b.v); }
    friend RONDO_HD Pack operator-(Pack a) { return Pack(-a.v); }
    friend RONDO_HD Mask<T> operator<(Pack a, Pack b) { return {a.v < b.v}; }
    friend RONDO_HD Mask<T> operator>(Pack a, Pack b) { return {a.v > b.v}; }
    friend RONDO_HD Mask<T> operator<=(Pack a, Pack b) { return {a.v <= b.v}; }
    friend RONDO_HD Mask<T> operator>=(Pack a, Pack b) { return {a.v >= b.v}; }
    friend RONDO_HD Mask<T> operator==(Pack a, Pack b) { return {a.v == b.v}; }
    friend RONDO_HD Mask<T> operator!=(Pack a, Pack b) { return {a.v != b.v}; }

    friend RONDO_HD Pack select(Mask<T> m, Pack a, Pack b) { return Pack(m.v ? a.v : b.v); }
};

/// a·b + c, rounded once where the machine has the instruction and twice where it has not.
RONDO_HD Pack<float> fma(Pack<float> a, Pack<float> b, Pack<float> c) {
#if defined(__AVX512F__)
    return Pack<float>(Pack<float>::Native(_mm512_fmadd_ps(a.v, b.v, c.v)));
#elif defined(__FMA__)
    return Pack<float>(Pack<float>::Native(_mm256_fmadd_ps(a.v, b.v, c.v)));
#elif defined(__FP_FAST_FMAF)
    for (int i = 0; i < kLanes<float>; ++i) c.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
    return c;
#else
    return a * b + c;
#endif
}
RONDO_HD Pack<double> fma(Pack<double> a, Pack<double> b, Pack<double> c) {
#if defined(__AVX512F__)
    return Pack<double>(Pack<double>::Native(_mm512_fmadd_pd(a.v, b.v, c.v)));
#elif defined(__FMA__)
    return Pack<double>(Pack<double>::Native(_mm256_fmadd_pd(a.v, b.v, c.v)));
#elif defined(__FP_FAST_FMA)
    for (int i = 0; i < kLanes<double>; ++i) c.v[i] = __builtin_fma(a.v[i], b.v[i], c.v[i]);
    return c;
#else
    return a * b + c;
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
inline constexpr std::int32_t kFirstLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};  // read from 8 - n on: n lanes set
#endif

/// The first n lanes, 0 <= n < lanes; the others are zero. Nothing beyond them is touched.
template <class T>
RONDO_HD Pack<T> load_first(const T* p, int n) {
    using Native = typename Pack<T>::Native;
#if defined(__AVX512F__)
    const unsigned first = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
        return Pack<T>(Native(_mm512_maskz_loadu_ps(static_cast<__mmask16>(first), p)));
    else
        return Pack<T>(Native(_mm512_maskz_loadu_pd(static_cast<__mmask8>(first), p)));
#elif defined(__AVX2__)
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(kFirstLanes + 8 - n * (sizeof(T) / 4)));
    if constexpr (sizeof(T) == 4)
        return Pack<T>(Native(_mm256_maskload_ps(p, bits)));
    else
        return Pack<T>(Native(_mm256_maskload_pd(p, bits)));
#else
    Native v{};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return Pack<T>(v);
#endif
}
template <class T>
RONDO_HD void store_first(Pack<T> x, T* p, int n) {
#if defined(__AVX512F__)
    const unsigned first = (1u << n) - 1;
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first), x.v);
    else
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first), x.v);
#elif defined(__AVX2__)
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(kFirstLanes + 8 - n * (sizeof(T) / 4)));
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps(p, bits, x.v);
    else
        _mm256_maskstore_pd(p, bits, x.v);
#else
    for (int i = 0; i < n; ++i) p[i] = x.v[i];
#endif
}

/// Whole or partial, known at compile time so that the whole ones cost nothing.
template <bool kWhole, class T>
RONDO_HD Pack<T> load(const T* p, int n) {
    if constexpr (kWhole)
        return Pack<T>::load(p);
    else
        return load_first(p, n);
}
template <bool kWhole, class T>
RONDO_HD void store(Pack<T> x, T* p, int n) {
    if constexpr (kWhole)
        x.store(p);
    else
        store_first(x, p, n);
}

}  // namespace rondo::cpu::RONDO_ISA

// Unrolled completely: what the loop indexes are registers.
#if defined(__clang__)
#define RONDO_UNROLL _Pragma("clang loop unroll(full)")
#define RONDO_UNROLL_BY_4 _Pragma("clang loop unroll_count(4)")
#else
#define RONDO_UNROLL _Pragma("GCC unroll 32")
#define RONDO_UNROLL_BY_4 _Pragma("GCC unroll 4")
#endif
