#pragma once
/// Kernels that stay on the device for many steps and exchange h between blocks: through global memory and a barrier of
/// the grid, through each other's shared memory and a barrier of the cluster, by pushing it to mbarriers.
#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "lane/kernels/bugs.hpp"

namespace rondo::lane_test {

/// h(t+1) [B,H] = tanh(x(t) [B,H] + h(t)·Wᵀ), W [H,H] in bf16, on tensor cores; h rounded to bf16 between the steps.
/// H is a multiple of 16, B = 8. One block of a warp for 16 units; cooperative.
///   y [T,B,H] out   h [2,B,H] zero before   arrived [1] zero before   expired [1] out: 1 where a wait ran out
struct GridLoop {
    const __nv_bfloat16* w;
    const float* x;
    float* y;
    __nv_bfloat16* h;
    unsigned* arrived;
    unsigned* expired;
    int steps, hidden;
    Bug bug;
};
void grid_loop(const GridLoop& loop, cudaStream_t stream);

/// The same recurrence for B = 1 in f32 by one cluster of 4 blocks of H/4 threads, H a multiple of 128: every block
/// keeps all of h, and its threads write their unit into all four. `pushed`: by st.async to an mbarrier a step, instead
/// of plain stores and a barrier of the cluster.
struct ClusterLoop {
    const float* w;
    const float* x;
    float* y;
    unsigned* expired;
    int steps, hidden;
    bool pushed;
    Bug bug;
};
void cluster_loop(const ClusterLoop& loop, cudaStream_t stream);

/// Block b of an ordinary launch waits for block b - 1's flag, adds 1 to what that left in `values`, and sets its own.
///   values [blocks + 1], values[0] given   flags [blocks + 1] zero but for flags[0] = 1   expired [1]
void relay(int* values, unsigned* flags, unsigned* expired, int blocks, Bug bug, cudaStream_t stream);

}  // namespace rondo::lane_test
