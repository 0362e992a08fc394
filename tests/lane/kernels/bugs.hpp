#pragma once
/// Faults that can be planted into the lane's own kernels, to see that the lane finds them.

namespace rondo::lane_test {

enum class Bug {
    none,
    // element-wise and reductions
    one_too_many,       ///< writes one element behind its output
    wild_shared_index,  ///< writes behind a shared array
    missing_barrier,    ///< no __syncthreads between writing and reading shared memory
    divergent_shuffle,  ///< a full mask where half of the lanes stay away
    barrier_in_branch,  ///< __syncthreads that one warp comes to
    missing_syncwarp,   ///< lanes read what others write without __syncwarp
    half_warp_leaves,   ///< lanes are gone that the others wait for
    misaligned_load,    ///< 16 bytes from an address that is not a multiple of 16
    // the persistent loop
    single_buffer,         ///< the new h overwrites the old while others still read it
    swapped_fragments,     ///< operands of the matrix product in the wrong registers
    block_barrier_only,    ///< blocks do not wait for each other
    one_block_stays_away,  ///< from the grid's barrier
    unordered_flag,        ///< a flag that is set and read without release and acquire
    forgotten_flag,        ///< a flag that nobody sets
    // clusters
    block_instead_of_cluster,  ///< __syncthreads where all blocks of the cluster must meet
    leaves_early,              ///< a block ends while others still write into it
    late_init,                 ///< mbarriers are used before all blocks know they are there
    arrives_twice,             ///< at an mbarrier
    // asynchronous copies
    no_wait_for_data,       ///< reads what a copy has not brought yet
    wrong_parity,           ///< waits for the phase before
    no_wait_for_room,       ///< overwrites what others still read
    wrong_byte_count,       ///< announces half of what comes
    no_barrier_after_wait,  ///< reads what another thread's cp.async brought, without meeting it
    waits_for_one_too_few,  ///< lets the group be under way that is needed
};

}  // namespace rondo::lane_test
