#pragma once
/// What an emulator of the CUDA thread model provides to kernels that are compiled for the CPU. Only declared here: the
/// emulator is no part of the library, and a program that runs kernels on the CPU links one (tests/lane/ has ours).
///
/// Each function is called by the fiber of one CUDA thread. Misuse (a barrier that not all threads reach, a lane
/// outside its own mask, an address that is not aligned, ...) ends the launch with an error that names kind and line.
#include <cstddef>
#include <cstdint>

#include "device/lane/where.hpp"

namespace rondo::lane {

using device::Where;

// Shared memory. Static variables lie at the same offset in every block of a grid.
int new_shared_variable();
void* shared_memory(int variable, std::size_t bytes, std::size_t alignment);
void* dynamic_shared();

/// The block's variable for one declaration; `Tag` is the type of a lambda, so that each declaration has its own.
template <class T, class Tag>
T& shared_variable(Tag) {
    static const int variable = new_shared_variable();
    return *static_cast<T*>(shared_memory(variable, sizeof(T), alignof(T) > 16 ? alignof(T) : 16));
}

// Barriers.
struct Votes {
    int count;
    bool all, any;
};
void block_barrier(Where where);
Votes block_votes(bool vote, Where where);
void warp_barrier(unsigned mask, Where where);

/// Every lane of `mask` hands in `bytes` (at most kSlotBytes) and gets all 32 slots, kSlotBytes apart; those of lanes
/// outside the mask hold nothing. Valid until this lane's next exchange under the same mask.
inline constexpr std::size_t kSlotBytes = 64;
const unsigned char* exchange(unsigned mask, const void* mine, std::size_t bytes, const char* kind, Where where);
/// An error if `source` is not a lane of `mask`.
void require_lane(unsigned mask, unsigned source, const char* kind, Where where);

/// An error if the address is not a multiple of `alignment`.
void require_aligned(const void* address, std::size_t alignment, const char* kind, Where where);

// Waiting and ordering.
/// Lets the others run; before every look at memory that another thread may write.
void yield_to_others(Where where);
/// After such a look. Twice the same value at the same place is a thread that waits: an error once every live thread
/// does nothing else.
void observed(const void* address, std::uint64_t value, Where where);
/// After a failed attempt of a bounded wait: whether its time is up, which a test can bring about.
bool wait_expired(Where where);
/// Something that other threads can see has happened (an atomic, a release): a chance to switch, and progress.
void visible_step();

// Clusters.
unsigned cluster_rank();
unsigned cluster_size();
void cluster_arrive(Where where);
void cluster_wait(Where where);
/// The same place in the shared memory of the cluster's block `rank`.
void* map_shared(const void* mine, unsigned rank, Where where);

// Copies that land later: cp.async (of this thread, in groups) and bulk copies and stores that complete on an mbarrier.
void copy_async(void* to, const void* from, std::size_t bytes, std::size_t valid, Where where);
void copy_async_commit();
void copy_async_wait(int groups_left, Where where);
void copy_bulk(void* to, const void* from, std::size_t bytes, std::uint64_t* barrier, Where where);
void store_async(void* to, const void* value, std::size_t bytes, std::uint64_t* barrier, Where where);

// mbarriers; the word in shared memory holds the whole state.
void mbarrier_init(std::uint64_t* barrier, unsigned arrivals, Where where);
void mbarrier_arrive(std::uint64_t* barrier, unsigned arrivals, std::int64_t expected_bytes, Where where);
bool mbarrier_test(std::uint64_t* barrier, unsigned parity, Where where);

[[noreturn]] void trap(Where where);

}  // namespace rondo::lane
