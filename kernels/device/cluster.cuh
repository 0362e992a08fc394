#pragma once
/// Clusters of blocks (sm_90) and each other's shared memory. A block must not leave while others may still reach into
/// it: end with cluster_sync().
#include "device/platform.cuh"

namespace rondo::device {

/// This block's index in its cluster, and how many blocks that has.
RONDO_DEVICE unsigned cluster_rank() {
    unsigned rank = 0;
    RONDO_PTX_SM90(asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank)));
    RONDO_TWIN(rank = lane::cluster_rank());
    return rank;
}
RONDO_DEVICE unsigned cluster_size() {
    unsigned size = 0;
    RONDO_PTX_SM90(asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size)));
    RONDO_TWIN(size = lane::cluster_size());
    return size;
}

/// The barrier of all threads of the cluster in two halves: what was written before arriving is seen after waiting.
RONDO_DEVICE void cluster_arrive([[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile("barrier.cluster.arrive.release;" ::: "memory"));
    RONDO_TWIN(lane::cluster_arrive(where));
}
RONDO_DEVICE void cluster_wait([[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile("barrier.cluster.wait.acquire;" ::: "memory"));
    RONDO_TWIN(lane::cluster_wait(where));
}
RONDO_DEVICE void cluster_sync(Where where = Where::here()) {
    cluster_arrive(where);
    cluster_wait(where);
}

/// A place in the shared memory of a block of the cluster; made once, before the loop that uses it.
struct RemoteAddress {
#if defined(__CUDACC__)
    std::uint32_t value;
#else
    unsigned char* value;
#endif
    RONDO_DEVICE RemoteAddress operator+(std::size_t bytes) const {
        RONDO_PTX(return {value + static_cast<std::uint32_t>(bytes)});
        RONDO_TWIN(return {value + bytes});
    }
};

/// The place in block `rank` that corresponds to `mine` in this block.
RONDO_DEVICE RemoteAddress remote_address(const void* mine, unsigned rank,
                                          [[maybe_unused]] Where where = Where::here()) {
    RemoteAddress there{};
    RONDO_PTX_SM90(asm("mapa.shared::cluster.u32 %0, %1, %2;"
                       : "=r"(there.value)
                       : "r"(shared_address(mine)), "r"(rank)));
    RONDO_TWIN(there.value = static_cast<unsigned char*>(lane::map_shared(mine, rank, where)));
    return there;
}

/// The same place as an ordinary pointer; loads and stores through it are slower than by RemoteAddress.
template <class T>
RONDO_DEVICE T* cluster_pointer(T* mine, unsigned rank, [[maybe_unused]] Where where = Where::here()) {
    T* there = nullptr;
    RONDO_PTX_SM90(asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(mine), "r"(rank)));
    RONDO_TWIN(there = static_cast<T*>(lane::map_shared(mine, rank, where)));
    return there;
}

namespace detail {

template <std::size_t kBytes>
struct Words {
    std::uint32_t value[kBytes / 4];
};

}  // namespace detail

/// Writes 4, 8 or 16 bytes, aligned to their size, into a block of the cluster. Seen there after a cluster barrier, or
/// after an arrival on an mbarrier there.
template <class T>
RONDO_DEVICE void store_remote(RemoteAddress to, const T& value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "4, 8 or 16 bytes");
    [[maybe_unused]] const auto words = bit_cast<detail::Words<sizeof(T)>>(value);
    if constexpr (sizeof(T) == 4) {
        RONDO_PTX_SM90(asm volatile("st.shared::cluster.b32 [%0], %1;" ::"r"(to.value), "r"(words.value[0])
                                    : "memory"));
    } else if constexpr (sizeof(T) == 8) {
        RONDO_PTX_SM90(asm volatile("st.shared::cluster.v2.b32 [%0], {%1, %2};" ::"r"(to.value), "r"(words.value[0]),
                                    "r"(words.value[1])
                                    : "memory"));
    } else {
        RONDO_PTX_SM90(asm volatile("st.shared::cluster.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to.value),
                                    "r"(words.value[0]), "r"(words.value[1]), "r"(words.value[2]), "r"(words.value[3])
                                    : "memory"));
    }
    RONDO_TWIN(*reinterpret_cast<T*>(to.value) = value);
}

/// Reads 4, 8 or 16 bytes from a block of the cluster.
template <class T>
RONDO_DEVICE T load_remote(RemoteAddress from) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "4, 8 or 16 bytes");
    detail::Words<sizeof(T)> words{};
    if constexpr (sizeof(T) == 4) {
        RONDO_PTX_SM90(asm volatile("ld.shared::cluster.b32 %0, [%1];"
                                    : "=r"(words.value[0])
                                    : "r"(from.value)
                                    : "memory"));
    } else if constexpr (sizeof(T) == 8) {
        RONDO_PTX_SM90(asm volatile("ld.shared::cluster.v2.b32 {%0, %1}, [%2];"
                                    : "=r"(words.value[0]), "=r"(words.value[1])
                                    : "r"(from.value)
                                    : "memory"));
    } else {
        RONDO_PTX_SM90(
            asm volatile("ld.shared::cluster.v4.b32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(words.value[0]), "=r"(words.value[1]), "=r"(words.value[2]), "=r"(words.value[3])
                         : "r"(from.value)
                         : "memory"));
    }
    RONDO_TWIN(words = bit_cast<decltype(words)>(*reinterpret_cast<const T*>(from.value)));
    return bit_cast<T>(words);
}

}  // namespace rondo::device
