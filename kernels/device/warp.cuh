#pragma once
/// Reductions over a warp and a block, in an order that does not depend on timing.
#include "device/platform.cuh"

namespace rondo::device {

/// The value of the lane whose index differs in the bits of `flip`. The whole warp calls it.
template <class T>
RONDO_DEVICE T shuffle_xor(T value, int flip, [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(value = __shfl_xor_sync(kFullWarp, value, flip));
    RONDO_TWIN(value = __shfl_xor_sync(kFullWarp, value, flip, 32, where));
    return value;
}

/// combine() over `kWidth` neighbouring lanes (a power of two); every lane gets the result. The whole warp calls it.
template <int kWidth = 32, class T, class Combine>
RONDO_DEVICE T warp_reduce(T value, Combine combine, Where where = Where::here()) {
    RONDO_UNROLL
    for (int flip = kWidth / 2; flip > 0; flip /= 2) value = combine(value, shuffle_xor(value, flip, where));
    return value;
}

struct Sum {
    template <class T>
    RONDO_DEVICE T operator()(T a, T b) const {
        return a + b;
    }
};

/// The larger one; NaN where either is.
struct Maximum {
    template <class T>
    RONDO_DEVICE T operator()(T a, T b) const {
        return a > b || a != a ? a : b;
    }
};

template <int kWidth = 32, class T>
RONDO_DEVICE T warp_sum(T value, Where where = Where::here()) {
    return warp_reduce<kWidth>(value, Sum{}, where);
}

template <int kWidth = 32, class T>
RONDO_DEVICE T warp_max(T value, Where where = Where::here()) {
    return warp_reduce<kWidth>(value, Maximum{}, where);
}

/// combine() over a block of kThreads threads (a multiple of 32); every thread gets the result. May be called again at
/// once: it ends with a barrier.
template <int kThreads, class T, class Combine>
RONDO_DEVICE T block_reduce(T value, Combine combine, Where where = Where::here()) {
    static_assert(kThreads % 32 == 0 && kThreads <= 1024, "whole warps");
    constexpr int kWarps = kThreads / 32;
    RONDO_SHARED(T, partial, [kWarps]);
    value = warp_reduce(value, combine, where);
    if (lane_index() == 0) partial[warp_index()] = value;
    block_barrier(where);
    value = partial[0];
    RONDO_UNROLL
    for (int warp = 1; warp < kWarps; ++warp) value = combine(value, partial[warp]);
    block_barrier(where);
    return value;
}

template <int kThreads, class T>
RONDO_DEVICE T block_sum(T value, Where where = Where::here()) {
    return block_reduce<kThreads>(value, Sum{}, where);
}

template <int kThreads, class T>
RONDO_DEVICE T block_max(T value, Where where = Where::here()) {
    return block_reduce<kThreads>(value, Maximum{}, where);
}

/// Of a value a thread: the sum over the threads before this one, and over all.
template <class T>
struct Scan {
    T before, total;
};

/// Over a block of kThreads threads (a multiple of 32). May be called again at once: it ends with a barrier.
template <int kThreads, class T>
RONDO_DEVICE Scan<T> block_scan(T value, Where where = Where::here()) {
    static_assert(kThreads % 32 == 0 && kThreads <= 1024, "whole warps");
    constexpr int kWarps = kThreads / 32;
    RONDO_SHARED(T, partial, [kWarps]);
    Scan<T> warp{T(0), value};
    RONDO_UNROLL
    for (unsigned flip = 1; flip < 32; flip *= 2) {  // neighbouring groups of `flip` lanes become one
        const T other = shuffle_xor(warp.total, static_cast<int>(flip), where);
        if ((lane_index() & flip) != 0) warp.before += other;
        warp.total += other;
    }
    if (lane_index() == 0) partial[warp_index()] = warp.total;
    block_barrier(where);
    Scan<T> block{T(0), T(0)};
    RONDO_UNROLL
    for (unsigned w = 0; w < kWarps; ++w) {
        if (w == warp_index()) block.before = block.total + warp.before;
        block.total += partial[w];
    }
    block_barrier(where);
    return block;
}

}  // namespace rondo::device
