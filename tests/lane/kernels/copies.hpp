#pragma once
/// Tiles that stream through shared memory.
#include <cuda_runtime_api.h>

#include "lane/kernels/bugs.hpp"

namespace rondo::lane_test {

inline constexpr int kTile = 256;

/// out[i] = 2·in[i] for whole tiles of kTile numbers, by bulk copies into two buffers with mbarriers.
///   in: aligned to 16 bytes, a tile longer than read   expired [1] out
void double_tiles_bulk(float* out, const float* in, unsigned* expired, int tiles, Bug bug, cudaStream_t stream);

/// The same by cp.async into three buffers, two tiles ahead; each thread reads what its neighbour copied.
void double_tiles_async(float* out, const float* in, int tiles, Bug bug, cudaStream_t stream);

}  // namespace rondo::lane_test
