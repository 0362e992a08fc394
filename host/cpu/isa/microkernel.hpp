#pragma once
/// The loop everything else is built around: a few rows times a few vectors, summed over k in registers.
///
/// Every element of a result is the chain fma(a_k, b_k, ...) in the order of k, whatever the tile it falls into, so its
/// bits depend on its own row and column alone.
#include "cpu/isa/pack.hpp"

namespace rondo::cpu::RONDO_ISA {

#if defined(__AVX512F__)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif
inline constexpr int kMaxVectors = 4;

/// Rows of the largest tile `vectors` wide: sums, one column of B and one element of A fit the registers.
constexpr int tile_rows(int vectors) {
    if (kRegisters == 32) return vectors == 4 ? 6 : vectors == 3 ? 8 : 12;
    return vectors == 4 ? 3 : vectors == 3 ? 4 : 6;
}

/// Where a tile's operands lie. Row r, element k of A: a[r·a_row + k·a_step]; vector v of B: b[v][k·b_step].
template <class T>
struct Operands {
    const T* a;
    std::int64_t a_row, a_step;
    const T* b[kMaxVectors];
    std::int64_t b_step;
    std::int64_t k;
};

template <class T, int kRows, int kVectors>
struct Sums {
    Pack<T> at[kRows][kVectors];

    RONDO_HD void clear() {
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            RONDO_UNROLL
            for (int v = 0; v < kVectors; ++v) at[r][v] = Pack<T>(T(0));
        }
    }
    /// Row r, vector v at p[r·row + v·lanes].
    RONDO_HD void load(const T* p, std::int64_t row) {
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            RONDO_UNROLL
            for (int v = 0; v < kVectors; ++v) at[r][v] = Pack<T>::load(p + r * row + v * kLanes<T>);
        }
    }
    RONDO_HD void store(T* p, std::int64_t row) const {
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            RONDO_UNROLL
            for (int v = 0; v < kVectors; ++v) at[r][v].store(p + r * row + v * kLanes<T>);
        }
    }

    /// kPacked: the distance of two k where A's rows lie next to each other, 0 where the operands tell.
    template <int kPacked>
    RONDO_HD void multiply(const Operands<T>& o) {
        const T* a = o.a;
        const std::int64_t row = kPacked ? 1 : o.a_row, step = kPacked ? kPacked : o.a_step;
        std::int64_t at_b = 0;
        RONDO_UNROLL_BY_4
        for (std::int64_t k = 0; k < o.k; ++k) {
            Pack<T> b[kVectors];
            RONDO_UNROLL
            for (int v = 0; v < kVectors; ++v) b[v] = Pack<T>::load(o.b[v] + at_b);
            RONDO_UNROLL
            for (int r = 0; r < kRows; ++r) {
                const Pack<T> x = a[r * row];
                RONDO_UNROLL
                for (int v = 0; v < kVectors; ++v) at[r][v] = fma(x, b[v], at[r][v]);
            }
            a += step;
            at_b += o.b_step;
        }
    }
};

}  // namespace rondo::cpu::RONDO_ISA
