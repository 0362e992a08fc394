#pragma once
/// Copies that the hardware carries out by itself and reports to an mbarrier (sm_90). Started by one thread; sizes and
/// addresses are multiples of 16 bytes. What they bring may be read after a wait on the mbarrier's phase, to which the
/// bytes were announced with mbarrier_arrive_expect; until then the destination holds nothing.
#include "device/cluster.cuh"
#include "device/mbarrier.cuh"
#include "device/platform.cuh"

namespace rondo::device {

/// Before a copy reads or overwrites shared memory that was touched by ordinary loads and stores: by the threads that
/// touched it, before the barrier that tells the copying thread. The lane cannot see it missing.
RONDO_DEVICE void fence_before_bulk_copy() {
    RONDO_PTX_SM90(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"));
}

/// Before a copy reads global memory that other threads wrote with ordinary stores: by the copying thread, once it has
/// acquired what they released. The lane cannot see it missing.
RONDO_DEVICE void fence_after_acquire() { RONDO_PTX_SM90(asm volatile("fence.proxy.async.global;" ::: "memory")); }

/// From global memory into this block.
RONDO_DEVICE void copy_bulk(void* to_shared, const void* from_global, unsigned bytes, Mbarrier& barrier,
                            [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                         shared_address(to_shared)),
                     "l"(__cvta_generic_to_global(from_global)), "r"(bytes), "r"(shared_address(&barrier))
                     : "memory"));
    RONDO_TWIN(lane::copy_bulk(to_shared, from_global, bytes, &barrier.state, where));
}

/// From this block's shared memory into a block of the cluster; `barrier` lies in that block.
RONDO_DEVICE void copy_bulk_remote(RemoteAddress to, const void* from_shared, unsigned bytes, RemoteAddress barrier,
                                   [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile(
        "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to.value),
        "r"(shared_address(from_shared)), "r"(bytes), "r"(barrier.value)
        : "memory"));
    RONDO_TWIN(lane::copy_bulk(to.value, from_shared, bytes, reinterpret_cast<std::uint64_t*>(barrier.value), where));
}

/// Writes 4, 8 or 16 bytes into a block of the cluster and reports them to `barrier` there, which waits with
/// Scope::cluster. Any thread may do so.
template <class T>
RONDO_DEVICE void store_async(RemoteAddress to, const T& value, RemoteAddress barrier,
                              [[maybe_unused]] Where where = Where::here()) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "4, 8 or 16 bytes");
    [[maybe_unused]] const auto words = bit_cast<detail::Words<sizeof(T)>>(value);
    if constexpr (sizeof(T) == 4) {
        RONDO_PTX_SM90(
            asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [%0], %1, [%2];" ::"r"(to.value),
                         "r"(words.value[0]), "r"(barrier.value)
                         : "memory"));
    } else if constexpr (sizeof(T) == 8) {
        RONDO_PTX_SM90(asm volatile(
            "st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%0], {%1, %2}, [%3];" ::"r"(to.value),
            "r"(words.value[0]), "r"(words.value[1]), "r"(barrier.value)
            : "memory"));
    } else {
        RONDO_PTX_SM90(asm volatile(
            "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(
                to.value),
            "r"(words.value[0]), "r"(words.value[1]), "r"(words.value[2]), "r"(words.value[3]), "r"(barrier.value)
            : "memory"));
    }
    RONDO_TWIN(lane::store_async(to.value, &words, sizeof(T), reinterpret_cast<std::uint64_t*>(barrier.value), where));
}

}  // namespace rondo::device
