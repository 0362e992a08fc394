// *found = 1 + the first row b with lengths[b] < 0 or lengths[b] > steps, one block
//   lengths [B]   found: a word of page-locked host memory, written where something is wrong and nothing was before
//   traffic: 8 bytes a row; deterministic
#include "device/warp.cuh"
#include "elements.cuh"
#include "rows.hpp"

namespace rondo::kernels {

static __global__ void __launch_bounds__(kThreads)
    check_lengths_kernel(const std::int64_t* lengths, std::int64_t batch, std::int64_t steps, std::int64_t* found) {
    std::int64_t first = batch;
    for (std::int64_t row = threadIdx.x; row < first; row += kThreads)
        if (lengths[row] < 0 || lengths[row] > steps) first = row;
    first = -device::block_max<kThreads>(-first);
    if (threadIdx.x == 0 && first < batch && *found == 0) *found = first + 1;
}

void check_lengths(const std::int64_t* lengths, std::int64_t batch, std::int64_t steps, std::int64_t* found,
                   cudaStream_t stream) {
    device::launch({.kernel = "check_lengths", .block = kThreads, .stream = stream}, check_lengths_kernel, lengths,
                   batch, steps, found);
}

}  // namespace rondo::kernels
