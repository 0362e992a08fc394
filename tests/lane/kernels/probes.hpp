#pragma once
/// One wrapper of kernels/device/ at a time, so that its twin, and on a GPU its PTX, can be held against plain
/// arithmetic. All results go to arrays that the caller has on the device.
#include <cuda_runtime_api.h>

#include <cstdint>

namespace rondo::lane_test {

enum class Operand { bf16, f16, tf32 };

/// d [16,8] += 2·(a [16,K]·b [K,8]) by two matrix instructions, K = 16 or, in tf32, 8. All row-major, float.
void probe_mma(Operand operand, float* d, const float* a, const float* b, cudaStream_t stream);

/// words [32 lanes][count] of load_matrices<count>; the 32 rows of 8 elements hold their index, row by row.
void probe_load_matrices(std::uint32_t* words, int count, bool transposed, cudaStream_t stream);

/// Rounded to tf32, bf16 and f16, back as float; tanh, exp2 and the reciprocal as the hardware has them.
struct Rounded {
    float tf32, bf16, f16, packed_low, packed_high, tanh, exp2, reciprocal;
};
void probe_rounding(Rounded* out, const float* x, int count, cudaStream_t stream);

/// y = x reversed, in vectors of 2, 4, 8 and 16 bytes; `count` floats, a multiple of 4.
void probe_vectors(float* y, const float* x, int count, int bytes, cudaStream_t stream);

/// By each of 64 threads of a block, of its index i.
struct Exchanged {
    int from_5, flipped_3, down_2, up_2, in_eights;  ///< __shfl_sync, xor, down, up; xor 1 within width 8
    unsigned odd;                                    ///< __ballot_sync
    int any_above_40, all_below_32, odd_in_block;
    float sum, sum_of_4, highest, block_sum, block_highest;
};
void probe_exchange(Exchanged* out, cudaStream_t stream);

/// tickets [blocks·32]: what fetch_add gave each thread; counters [0] by fetch_add, [1] by add_release, [2] by atomicAdd,
/// [3] atomicMax of the ticket. All zero before.
void probe_counters(unsigned* tickets, unsigned* counters, int blocks, cudaStream_t stream);

/// out [16 floats]: 4 copies of 16 bytes by cp.async of which `valid` bytes exist. in [16 floats].
void probe_copy_async(float* out, const float* in, int valid, cudaStream_t stream);

/// By each block of a cluster of 4: what it finds in its own shared memory after the others have written there.
struct Neighbours {
    unsigned rank, size;
    float stored4, by_pointer, loaded4;
    double stored8, loaded8;
    float stored16[4], loaded16[4];
    float pushed4;
    double pushed8;
    float pushed16[4], copied[4];
    unsigned flagged, in_time;
};
void probe_cluster(Neighbours* out, cudaStream_t stream);

/// expired = 1 once a wait of `nanoseconds` for what never comes has ended.
void probe_expiry(unsigned* expired, std::uint64_t nanoseconds, cudaStream_t stream);

/// out[i] = i through `bytes` of dynamic shared memory, for as many floats as that holds.
void probe_dynamic_shared(float* out, std::size_t bytes, cudaStream_t stream);

}  // namespace rondo::lane_test
