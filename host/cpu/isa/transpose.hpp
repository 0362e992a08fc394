#pragma once
/// Turning rows into columns within registers, for packing and for sums over lanes.
#include "cpu/isa/pack.hpp"

namespace rondo::cpu::RONDO_ISA {

/// a0 b0 a1 b1 ... of the lower halves, and of the upper ones.
template <class T>
RONDO_HD Pack<T> interleave_low(Pack<T> a, Pack<T> b) {
    if constexpr (kLanes<T> == 2)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 0, 2));
    else if constexpr (kLanes<T> == 4)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 0, 4, 1, 5));
    else if constexpr (kLanes<T> == 8)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 0, 8, 1, 9, 2, 10, 3, 11));
    else
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
}
template <class T>
RONDO_HD Pack<T> interleave_high(Pack<T> a, Pack<T> b) {
    if constexpr (kLanes<T> == 2)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 1, 3));
    else if constexpr (kLanes<T> == 4)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 2, 6, 3, 7));
    else if constexpr (kLanes<T> == 8)
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 4, 12, 5, 13, 6, 14, 7, 15));
    else
        return Pack<T>(__builtin_shufflevector(a.v, b.v, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
}

/// x[i][j] becomes x[j][i]: a perfect shuffle of the whole, as often as two divides the lanes.
template <class T>
RONDO_HD void transpose(Pack<T> (&x)[kLanes<T>]) {
    constexpr int kL = kLanes<T>;
    RONDO_UNROLL
    for (int round = kL; round > 1; round /= 2) {
        Pack<T> y[kL];
        RONDO_UNROLL
        for (int i = 0; i < kL / 2; ++i) {
            y[2 * i] = interleave_low(x[i], x[i + kL / 2]);
            y[2 * i + 1] = interleave_high(x[i], x[i + kL / 2]);
        }
        RONDO_UNROLL
        for (int i = 0; i < kL; ++i) x[i] = y[i];
    }
}

/// Lane i is the sum of the lanes of x[i].
template <class T>
RONDO_HD Pack<T> sums_of_lanes(Pack<T> (&x)[kLanes<T>]) {
    RONDO_UNROLL
    for (int half = kLanes<T> / 2; half > 0; half /= 2) {
        RONDO_UNROLL
        for (int i = 0; i < half; ++i) x[i] = interleave_low(x[i], x[i + half]) + interleave_high(x[i], x[i + half]);
    }
    return x[0];
}

/// Columns of `rows` (at most a vector's lanes) rows, one after the other: element (r, k) of from, rows `stride` apart,
/// goes to to[k·to_stride + r]. A whole vector is written for each k, zero beyond the rows; where to_stride is less
/// than that, the next k overwrites it.
template <class T>
void columns_of_rows(const T* from, std::int64_t stride, int rows, std::int64_t count, T* to, std::int64_t to_stride) {
    constexpr int kL = kLanes<T>;
    Pack<T> x[kL];
    std::int64_t k = 0;
    if (rows == kL) {
        for (; k + kL <= count; k += kL) {
            RONDO_UNROLL
            for (int r = 0; r < kL; ++r) x[r] = Pack<T>::load(from + r * stride + k);
            transpose(x);
            RONDO_UNROLL
            for (int i = 0; i < kL; ++i) x[i].store(to + (k + i) * to_stride);
        }
    }
    for (; k < count; k += kL) {
        const int n = count - k < kL ? static_cast<int>(count - k) : kL;
        RONDO_UNROLL
        for (int r = 0; r < kL; ++r)
            x[r] = r >= rows ? Pack<T>(T(0))
                   : n == kL ? Pack<T>::load(from + r * stride + k)
                             : load_first(from + r * stride + k, n);
        transpose(x);
        for (int i = 0; i < n; ++i) x[i].store(to + (k + i) * to_stride);
    }
}

}  // namespace rondo::cpu::RONDO_ISA
