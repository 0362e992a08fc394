#pragma once
/// The matrix instructions as the lane computes them: products are exact in float (operands have at most 11 mantissa
/// bits), sums are taken in float, k ascending. Tensor cores sum in an order and with a truncation of their own.
#if !defined(__CUDACC__)
#include <cstdint>
#include <cstring>

#include "device/lane/builtins.hpp"
#include "device/lane/hooks.hpp"

namespace rondo::lane {

/// To 10 mantissa bits, ties away from zero. Infinity stays, NaN becomes the canonical one.
inline std::uint32_t round_to_tf32(float x) {
    if (x != x) return 0x7fffffffu;
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
    if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

/// What one lane holds of A[16,K] and B[K,8], as floats; kDepth = K / 4.
template <int kDepth>
struct Fragments {
    float a[2][kDepth];  ///< rows g and g + 8, g = lane / 4
    float b[kDepth];     ///< column g
};

/// D[16,8] += A[16,K]·B[K,8] by a warp. Lane l holds D's rows l/4 and l/4 + 8, columns 2·(l%4) and the one after it.
/// `holder(k)` and `index(k)`: which of the four lanes of a row has element k, and where.
template <int kDepth, class Holder, class Index>
void multiply(float (&d)[4], const Fragments<kDepth>& mine, Holder holder, Index index, const char* kind, Where where) {
    static_assert(sizeof(mine) <= kSlotBytes);
    const unsigned char* slots = exchange(0xffffffffu, &mine, sizeof(mine), kind, where);
    const unsigned group = own_lane() / 4, pair = own_lane() % 4;
    Fragments<kDepth> rows[4], left[4], right[4];
    for (unsigned lane = 0; lane < 4; ++lane) {
        rows[lane] = slot<Fragments<kDepth>>(slots, group * 4 + lane);
        left[lane] = slot<Fragments<kDepth>>(slots, pair * 8 + lane);
        right[lane] = slot<Fragments<kDepth>>(slots, pair * 8 + 4 + lane);
    }
    for (int k = 0; k < 4 * kDepth; ++k) {
        const int lane = holder(k), i = index(k);
        d[0] += rows[lane].a[0][i] * left[lane].b[i];
        d[1] += rows[lane].a[0][i] * right[lane].b[i];
        d[2] += rows[lane].a[1][i] * left[lane].b[i];
        d[3] += rows[lane].a[1][i] * right[lane].b[i];
    }
}

/// Register `word` of A holds k = 2·(lane%4) + 8·(word/2) and the one after it, of row g + 8·(word%2).
template <class T>
void multiply_k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
    const auto element = [](std::uint32_t word, int position) {
        return static_cast<float>(__builtin_bit_cast(T, static_cast<unsigned short>(word >> (16 * position))));
    };
    Fragments<4> mine;
    for (int i = 0; i < 2; ++i) {
        for (int word = 0; word < 4; ++word) mine.a[word % 2][word / 2 * 2 + i] = element(a[word], i);
        for (int word = 0; word < 2; ++word) mine.b[word * 2 + i] = element(b[word], i);
    }
    multiply(
        d, mine, [](int k) { return k % 8 / 2; }, [](int k) { return k / 8 * 2 + k % 2; }, "mma m16n8k16", where);
}

/// Register `word` of A holds k = lane%4 + 4·(word/2) of row g + 8·(word%2). Bits below tf32's are not looked at.
inline void multiply_k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Where where) {
    const auto element = [](std::uint32_t bits) { return __builtin_bit_cast(float, bits & 0xffffe000u); };
    Fragments<2> mine;
    for (int word = 0; word < 4; ++word) mine.a[word % 2][word / 2] = element(a[word]);
    for (int word = 0; word < 2; ++word) mine.b[word] = element(b[word]);
    multiply(
        d, mine, [](int k) { return k % 4; }, [](int k) { return k / 4; }, "mma m16n8k8", where);
}

/// Each lane names a row of 8 elements of 16 bits; matrix m has the rows of lanes 8m to 8m + 7. Lane l gets row l/4,
/// columns 2·(l%4) and the one after it, of each; transposed: rows 2·(l%4) and the one after it, column l/4.
template <int kMatrices, bool kTransposed>
void load_matrices(std::uint32_t (&words)[kMatrices], const void* row, Where where) {
    const unsigned char* slots = exchange(0xffffffffu, &row, sizeof(row), "ldmatrix", where);
    const unsigned group = own_lane() / 4, pair = own_lane() % 4;
    for (unsigned m = 0; m < unsigned(kMatrices); ++m) {
        const auto element = [&](unsigned r, unsigned column) -> std::uint32_t {
            const auto* line = slot<const unsigned short*>(slots, m * 8 + r);
            require_aligned(line, 16, "ldmatrix", where);
            return line[column];
        };
        words[m] = kTransposed ? element(2 * pair, group) | element(2 * pair + 1, group) << 16
                               : element(group, 2 * pair) | element(group, 2 * pair + 1) << 16;
    }
}

}  // namespace rondo::lane
#endif
