#pragma once
/// Loads, stores and atomics on words through which blocks talk to each other. A release makes everything that this
/// thread did before it (and what it learnt of through __syncthreads) visible to a thread that acquires the value.
/// Each of them lets other threads run under the lane, so that a loop around a load_acquire makes progress there too;
/// bounded loops are in spin.cuh.
#include <type_traits>

#include "device/platform.cuh"

namespace rondo::device {

namespace detail {

template <class T>
inline constexpr bool kIsWord = std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);

}  // namespace detail

/// p must be in global memory for Scope::gpu; anywhere for Scope::cluster (sm_90).
template <Scope kScope = Scope::gpu, class T>
RONDO_DEVICE T load_acquire(const T* p, [[maybe_unused]] Where where = Where::here()) {
    static_assert(detail::kIsWord<T> && kScope != Scope::block, "a word of 4 or 8 bytes, between blocks");
    T value{};
    if constexpr (sizeof(T) == 4 && kScope == Scope::gpu) {
        RONDO_PTX(asm volatile("ld.acquire.gpu.b32 %0, [%1];" : "=r"(value) : "l"(p) : "memory"));
    } else if constexpr (kScope == Scope::gpu) {
        RONDO_PTX(asm volatile("ld.acquire.gpu.b64 %0, [%1];" : "=l"(value) : "l"(p) : "memory"));
    } else if constexpr (sizeof(T) == 4) {
        RONDO_PTX_SM90(asm volatile("ld.acquire.cluster.b32 %0, [%1];" : "=r"(value) : "l"(p) : "memory"));
    } else {
        RONDO_PTX_SM90(asm volatile("ld.acquire.cluster.b64 %0, [%1];" : "=l"(value) : "l"(p) : "memory"));
    }
    RONDO_TWIN(value = lane::look<__ATOMIC_ACQUIRE>(p, where));
    return value;
}

template <Scope kScope = Scope::gpu, class T>
RONDO_DEVICE void store_release(T* p, std::type_identity_t<T> value) {
    static_assert(detail::kIsWord<T> && kScope != Scope::block, "a word of 4 or 8 bytes, between blocks");
    if constexpr (sizeof(T) == 4 && kScope == Scope::gpu) {
        RONDO_PTX(asm volatile("st.release.gpu.b32 [%0], %1;" ::"l"(p), "r"(value) : "memory"));
    } else if constexpr (kScope == Scope::gpu) {
        RONDO_PTX(asm volatile("st.release.gpu.b64 [%0], %1;" ::"l"(p), "l"(value) : "memory"));
    } else if constexpr (sizeof(T) == 4) {
        RONDO_PTX_SM90(asm volatile("st.release.cluster.b32 [%0], %1;" ::"l"(p), "r"(value) : "memory"));
    } else {
        RONDO_PTX_SM90(asm volatile("st.release.cluster.b64 [%0], %1;" ::"l"(p), "l"(value) : "memory"));
    }
    RONDO_TWIN(__atomic_store_n(p, value, __ATOMIC_RELEASE); lane::visible_step());
}

/// Unordered, but never torn and never served from a stale cache: for words that carry their own tag.
template <class T>
RONDO_DEVICE T load_relaxed(const T* p, [[maybe_unused]] Where where = Where::here()) {
    static_assert(detail::kIsWord<T>, "a word of 4 or 8 bytes");
    T value{};
    if constexpr (sizeof(T) == 4) {
        RONDO_PTX(asm volatile("ld.relaxed.gpu.b32 %0, [%1];" : "=r"(value) : "l"(p) : "memory"));
    } else {
        RONDO_PTX(asm volatile("ld.relaxed.gpu.b64 %0, [%1];" : "=l"(value) : "l"(p) : "memory"));
    }
    RONDO_TWIN(value = lane::look<__ATOMIC_RELAXED>(p, where));
    return value;
}

template <class T>
RONDO_DEVICE void store_relaxed(T* p, std::type_identity_t<T> value) {
    static_assert(detail::kIsWord<T>, "a word of 4 or 8 bytes");
    if constexpr (sizeof(T) == 4) {
        RONDO_PTX(asm volatile("st.relaxed.gpu.b32 [%0], %1;" ::"l"(p), "r"(value) : "memory"));
    } else {
        RONDO_PTX(asm volatile("st.relaxed.gpu.b64 [%0], %1;" ::"l"(p), "l"(value) : "memory"));
    }
    RONDO_TWIN(__atomic_store_n(p, value, __ATOMIC_RELAXED); lane::visible_step());
}

/// *p += value, releasing what came before and acquiring what others released; returns the old value. Device-wide.
RONDO_DEVICE unsigned fetch_add(unsigned* p, unsigned value) {
    unsigned before = 0;
    RONDO_PTX(asm volatile("atom.add.acq_rel.gpu.u32 %0, [%1], %2;" : "=r"(before) : "l"(p), "r"(value) : "memory"));
    RONDO_TWIN(before = lane::read_modify_write<__ATOMIC_ACQ_REL>(p, [=](unsigned old) { return old + value; }));
    return before;
}

/// *p += value, releasing what came before; nothing is returned, which is cheaper than fetch_add.
RONDO_DEVICE void add_release(unsigned* p, unsigned value) {
    RONDO_PTX(asm volatile("red.release.gpu.add.u32 [%0], %1;" ::"l"(p), "r"(value) : "memory"));
    RONDO_TWIN(lane::read_modify_write<__ATOMIC_RELEASE>(p, [=](unsigned old) { return old + value; }));
}

}  // namespace rondo::device
