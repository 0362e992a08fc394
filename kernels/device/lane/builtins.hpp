#pragma once
/// CUDA's own names, as far as kernels use them, for kernels that are compiled for the CPU. What is missing here is
/// missing on purpose: __threadfence and volatile polling (use ordered.cuh, whose orderings the race detector knows),
/// floating-point atomics (results would depend on the order of arrival), fast-math intrinsics (approximate.cuh).
#include <cuda_runtime.h>
#include <math.h>  // not only <cmath>: as under nvcc, sqrt and its like are overloaded in the global namespace

#include <cmath>
#include <cstring>
#include <type_traits>

#include "device/lane/hooks.hpp"

// The running thread's; the emulator sets them at every switch.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

namespace rondo::lane {

/// What lane `source` handed in.
template <class T>
T slot(const unsigned char* slots, unsigned source) {
    T value;
    std::memcpy(&value, slots + source * kSlotBytes, sizeof(T));
    return value;
}

inline unsigned own_lane() { return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32; }

/// A shuffle within groups of `width` lanes; `source(lane)` gives the lane to read, or the own one to keep the value.
template <class T, class Source>
T shuffle(unsigned mask, const T& value, const char* kind, Where where, Source source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves 8 bytes at most");
    const unsigned char* slots = exchange(mask, &value, sizeof(T), kind, where);
    const unsigned from = source(own_lane());
    require_lane(mask, from, kind, where);
    return slot<T>(slots, from);
}

/// Applies `update` to *p as one atomic operation with the memory order `kOrder`; returns what was there.
template <int kOrder, class T, class Update>
T read_modify_write(T* p, Update update) {
    static_assert(std::is_integral_v<T>, "atomics on floating-point numbers would make results depend on timing");
    T before = __atomic_load_n(p, __ATOMIC_RELAXED);
    T after = update(before);
    while (!__atomic_compare_exchange_n(p, &before, after, false, kOrder, __ATOMIC_RELAXED)) after = update(before);
    visible_step();
    return before;
}

/// An atomic load of a word that others write.
template <int kOrder, class T>
T look(const T* p, Where where) {
    yield_to_others(where);
    const T value = __atomic_load_n(p, kOrder);
    observed(p, static_cast<std::uint64_t>(value), where);
    return value;
}

}  // namespace rondo::lane

// Barriers and votes.
inline void __syncthreads(rondo::lane::Where where = rondo::lane::Where::here()) { rondo::lane::block_barrier(where); }
inline int __syncthreads_count(int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::block_votes(vote != 0, where).count;
}
inline int __syncthreads_and(int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::block_votes(vote != 0, where).all;
}
inline int __syncthreads_or(int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::block_votes(vote != 0, where).any;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, rondo::lane::Where where = rondo::lane::Where::here()) {
    rondo::lane::warp_barrier(mask, where);
}
inline unsigned __ballot_sync(unsigned mask, int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    const unsigned char mine = vote != 0;
    const unsigned char* slots = rondo::lane::exchange(mask, &mine, 1, "__ballot_sync", where);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1u) votes |= unsigned(slots[lane * rondo::lane::kSlotBytes] == 1) << lane;
    return votes;
}
inline int __any_sync(unsigned mask, int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    return __ballot_sync(mask, vote, where) != 0;
}
inline int __all_sync(unsigned mask, int vote, rondo::lane::Where where = rondo::lane::Where::here()) {
    return __ballot_sync(mask, vote == 0, where) == 0;
}

// Shuffles. `width` is a power of two; groups of that many neighbouring lanes do not see each other.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::shuffle(mask, value, "__shfl_sync", where, [=](unsigned lane) {
        const unsigned group = unsigned(width) - 1;
        return (lane & ~group) | (unsigned(source) & group);
    });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int flip, int width = 32,
                  rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::shuffle(mask, value, "__shfl_xor_sync", where, [=](unsigned lane) {
        const unsigned group = ~(unsigned(width) - 1), from = lane ^ unsigned(flip);
        return (from & group) > (lane & group) ? lane : from;
    });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32,
                   rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::shuffle(mask, value, "__shfl_down_sync", where, [=](unsigned lane) {
        const unsigned group = ~(unsigned(width) - 1), from = lane + distance;
        return (from & group) == (lane & group) ? from : lane;
    });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32,
                 rondo::lane::Where where = rondo::lane::Where::here()) {
    return rondo::lane::shuffle(mask, value, "__shfl_up_sync", where, [=](unsigned lane) {
        return (lane & (unsigned(width) - 1)) < distance ? lane : lane - distance;
    });
}

// Integer atomics, unordered as CUDA's are.
template <class T>
T atomicAdd(T* p, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T old) { return T(old + value); });
}
template <class T>
T atomicMax(T* p, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T old) { return old > value ? old : value; });
}
template <class T>
T atomicMin(T* p, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T old) { return old < value ? old : value; });
}
template <class T>
T atomicOr(T* p, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T old) { return T(old | value); });
}
template <class T>
T atomicExch(T* p, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* p, T expected, T value) {
    return rondo::lane::read_modify_write<__ATOMIC_RELAXED>(p, [=](T old) { return old == expected ? value : old; });
}

// Loads with a cache hint.
template <class T>
T __ldg(const T* p) {
    return *p;
}
template <class T>
T __ldcs(const T* p) {
    return *p;
}
template <class T>
void __stcs(T* p, T value) {
    *p = value;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(unsigned(bits)); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __uint_as_float(unsigned bits) { return __builtin_bit_cast(float, bits); }
inline float __int_as_float(int bits) { return __builtin_bit_cast(float, bits); }
inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline void __trap(rondo::lane::Where where = rondo::lane::Where::here()) { rondo::lane::trap(where); }
