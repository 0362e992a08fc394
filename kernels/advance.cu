// begins[b] = before[b], ends[b] = begins[b] + lengths[b]; where that is beyond `most`: begins[b] = 0, one block
//   lengths, before [B] or null: T, 0   begins, ends [B] out, not before
//   found: a word of page-locked host memory, 1 + the first such row, where nothing was found before; deterministic
#include "device/warp.cuh"
#include "elements.cuh"
#include "sequence.hpp"

namespace rondo::kernels {

static __global__ void __launch_bounds__(kThreads) advance_kernel(const AdvanceArrays a) {
    std::int64_t first = a.batch;
    for (std::int64_t row = threadIdx.x; row < a.batch; row += kThreads) {
        const std::int64_t steps = a.lengths == nullptr ? a.steps : a.lengths[row];
        const std::int64_t before = a.before == nullptr ? 0 : a.before[row];
        const bool fits = before >= 0 && before <= a.most - steps;
        if (!fits && row < first) first = row;
        a.begins[row] = fits ? before : 0;
        a.ends[row] = (fits ? before : 0) + steps;
    }
    first = -device::block_max<kThreads>(-first);
    if (threadIdx.x == 0 && first < a.batch && *a.found == 0) *a.found = first + 1;
}

void advance(const AdvanceArrays& a, cudaStream_t stream) {
    device::launch({.kernel = "advance", .block = kThreads, .stream = stream}, advance_kernel, a);
}

}  // namespace rondo::kernels
