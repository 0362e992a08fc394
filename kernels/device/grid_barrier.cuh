#pragma once
/// A barrier of all blocks of a cooperative launch, through one counter in global memory.
#include "device/ordered.cuh"
#include "device/spin.cuh"

namespace rondo::device {

/// `arrived` is zero before the launch, and one counter serves one launch at a time. `round` counts this kernel's calls
/// from 0. All threads of all blocks call it; what they wrote before, all see after. False when the limit has passed:
/// then all threads of the block are told so, and the kernel must stop.
RONDO_DEVICE bool grid_barrier(unsigned* arrived, unsigned round, SpinLimit limit, Where where = Where::here()) {
    bool complete = true;
    block_barrier(where);
    if (thread_rank() == 0) {
        const unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
        const unsigned target = (round + 1) * blocks;
        add_release(arrived, 1);
        // By difference, so that a counter that has run past 2^32 is judged rightly.
        complete =
            spin_until([&] { return static_cast<int>(load_acquire(arrived, where) - target) >= 0; }, limit, where);
    }
    return block_all(complete, where);
}

}  // namespace rondo::device
