// ids[R + j] = the first class c with cumulated[c] > (j + u_j)/S, log_counts[j] = log(S·Q(c)), u_j of Philox at (step, j)
// ids[r] = max(targets[r], 0), places[r] = S, or -1 where the target is negative
//   targets [R]   cumulated [V], rising to 1   ids [R + S]   places [R]   log_counts [S]
//   one thread a row or sample, a bisection each; comparisons of doubles alone decide, so that every device draws the same
#include "elements.cuh"
#include "rondo/philox.hpp"
#include "sampled_softmax.hpp"

namespace rondo::kernels {

static __global__ void __launch_bounds__(kThreads) draw_candidates_kernel(const DrawCandidatesArrays a) {
    const std::int64_t i = global_thread(), j = i - a.rows;
    if (i < a.rows) {
        const std::int32_t target = a.targets[i];
        a.ids[i] = target < 0 ? 0 : target;
        a.places[i] = target < 0 ? -1 : static_cast<std::int32_t>(a.samples);
    }
    if (i < a.rows || j >= a.samples) return;
    const double at = stratified_uniform(*a.seed, *a.step, j, a.samples);
    std::int64_t low = 0, high = a.classes - 1;
    while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (a.cumulated[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    const double q = a.cumulated[low] - (low == 0 ? 0 : a.cumulated[low - 1]);
    a.ids[i] = static_cast<std::int32_t>(low);
    a.log_counts[j] = log(static_cast<double>(a.samples) * q);
}

void draw_candidates(const DrawCandidatesArrays& a, cudaStream_t stream) {
    device::launch({.kernel = "draw_candidates",
                    .grid = device::blocks_for(a.rows + a.samples, kThreads),
                    .block = kThreads,
                    .stream = stream},
                   draw_candidates_kernel, a);
}

}  // namespace rondo::kernels
