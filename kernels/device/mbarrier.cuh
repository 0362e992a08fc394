#pragma once
/// Barriers in shared memory that threads arrive at and asynchronous copies report their bytes to (sm_90).
///
/// A phase completes when all arrivals and all expected bytes have come; the next one then begins. A wait names the
/// phase by its parity: 0 for the first, then 1, 0, ... Waiting for parity 1 on a fresh barrier returns at once.
#include "device/cluster.cuh"
#include "device/platform.cuh"
#include "device/spin.cuh"

namespace rondo::device {

/// RONDO_SHARED(Mbarrier, full, [kStages]); one thread initialises it before anyone uses it.
struct alignas(8) Mbarrier {
    std::uint64_t state;
};

/// `arrivals` of each phase, from 1 to 2^20 - 1.
RONDO_DEVICE void mbarrier_init(Mbarrier& barrier, unsigned arrivals, [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&barrier)), "r"(arrivals)
                                : "memory"));
    RONDO_TWIN(lane::mbarrier_init(&barrier.state, arrivals, where));
}

/// After the inits, by the thread that made them, before the barrier that tells the others: makes them known to copies
/// and to the other blocks of the cluster. The lane has one memory and cannot see it missing.
RONDO_DEVICE void mbarrier_fence_init() {
    RONDO_PTX_SM90(asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"));
    RONDO_PTX_SM90(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"));
}

/// One arrival; releases what this thread wrote to the block.
RONDO_DEVICE void mbarrier_arrive(Mbarrier& barrier, [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared_address(&barrier))
                                : "memory"));
    RONDO_TWIN(lane::mbarrier_arrive(&barrier.state, 1, 0, where));
}

/// One arrival that also announces `bytes` that copies will bring in this phase. Before the copies are started.
RONDO_DEVICE void mbarrier_arrive_expect(Mbarrier& barrier, unsigned bytes,
                                         [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile(
        "mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)), "r"(bytes)
        : "memory"));
    RONDO_TWIN(lane::mbarrier_arrive(&barrier.state, 1, bytes, where));
}

/// One arrival on a barrier of another block (or this one) of the cluster; releases what this thread wrote anywhere in
/// the cluster. The waiting side uses Scope::cluster.
RONDO_DEVICE void mbarrier_arrive_remote(RemoteAddress barrier, [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX_SM90(asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier.value)
                                : "memory"));
    RONDO_TWIN(lane::mbarrier_arrive(reinterpret_cast<std::uint64_t*>(barrier.value), 1, 0, where));
}

/// Whether the phase of that parity has completed; may stand by for a moment. True acquires what the arrivals released:
/// within the block, or with Scope::cluster from anywhere in the cluster.
template <Scope kScope = Scope::block>
RONDO_DEVICE bool mbarrier_try_wait(Mbarrier& barrier, unsigned parity, [[maybe_unused]] Where where = Where::here()) {
    unsigned done = 0;
    if constexpr (kScope == Scope::block) {
        RONDO_PTX_SM90(
            asm volatile("{\n .reg .pred done;\n mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 done, [%1], %2;\n"
                         " selp.u32 %0, 1, 0, done;\n}"
                         : "=r"(done)
                         : "r"(shared_address(&barrier)), "r"(parity)
                         : "memory"));
    } else {
        RONDO_PTX_SM90(asm volatile(
            "{\n .reg .pred done;\n mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%1], %2;\n"
            " selp.u32 %0, 1, 0, done;\n}"
            : "=r"(done)
            : "r"(shared_address(&barrier)), "r"(parity)
            : "memory"));
    }
    RONDO_TWIN(done = lane::mbarrier_test(&barrier.state, parity, where));
    return done != 0;
}

/// Waits for the phase of that parity; false when the limit has passed.
template <Scope kScope = Scope::block>
RONDO_DEVICE bool mbarrier_wait(Mbarrier& barrier, unsigned parity, SpinLimit limit, Where where = Where::here()) {
    return spin_until([&] { return mbarrier_try_wait<kScope>(barrier, parity, where); }, limit, where);
}

}  // namespace rondo::device
