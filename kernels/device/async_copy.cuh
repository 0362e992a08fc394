#pragma once
/// Copies of 16 or 4 bytes from global to shared memory that a thread starts and waits for itself (cp.async). They are
/// gathered into groups; what they bring may be read by this thread after copy_async_wait, by others of the block after
/// a __syncthreads that follows it. Until then the destination holds nothing.
#include "device/platform.cuh"

namespace rondo::device {

/// Both addresses aligned to 16 bytes. Only the first `valid` bytes are read; the rest of the 16 becomes zero.
RONDO_DEVICE void copy_async(void* to_shared, const void* from_global, int valid = 16,
                             [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to_shared)),
                           "l"(__cvta_generic_to_global(from_global)), "r"(valid)
                           : "memory"));
    RONDO_TWIN(lane::copy_async(to_shared, from_global, 16, static_cast<std::size_t>(valid), where));
}

/// 4 bytes, aligned to 4.
RONDO_DEVICE void copy_async_word(void* to_shared, const void* from_global,
                                  [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(to_shared)),
                           "l"(__cvta_generic_to_global(from_global))
                           : "memory"));
    RONDO_TWIN(lane::copy_async(to_shared, from_global, 4, 4, where));
}

/// Closes the group of this thread's copies since the last call.
RONDO_DEVICE void copy_async_commit() {
    RONDO_PTX(asm volatile("cp.async.commit_group;" ::: "memory"));
    RONDO_TWIN(lane::copy_async_commit());
}

/// Waits until at most kGroupsLeft of this thread's newest groups are under way.
template <int kGroupsLeft>
RONDO_DEVICE void copy_async_wait([[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory"));
    RONDO_TWIN(lane::copy_async_wait(kGroupsLeft, where));
}

}  // namespace rondo::device
