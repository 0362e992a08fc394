// logits[r,j] -= log_counts[j], -inf where ids[R + j] = ids[r], for j < S;  logits[r,S] = x[r]·weight[r] + bias[r], -inf behind
//   logits [R,N] in, out, N > S   x, weight [R,I]   bias [R] or null   ids [R + S]   log_counts [S]
//   one warp a row; traffic: 2·S bytes a logit and 2·S an element of x; memory-bound; deterministic
#include "device/warp.cuh"
#include "elements.cuh"
#include "sampled_softmax.hpp"

namespace rondo::kernels {

template <class S>
__global__ void __launch_bounds__(kThreads) candidate_logits_kernel(const CandidateLogitsArrays a) {
    using C = Compute<S>;
    const auto lane = static_cast<std::int64_t>(device::lane_index());
    for (std::int64_t row = global_thread() / 32; row < a.rows; row += grid_threads() / 32) {
        const S *const x = static_cast<const S*>(a.x) + row * a.width, *const weight = static_cast<const S*>(a.weight) +
                                                                                       row * a.width;
        C sum = 0;
        for (std::int64_t i = lane; i < a.width; i += 32) sum += to_compute(x[i]) * to_compute(weight[i]);
        sum = device::warp_sum(sum);
        if (a.bias != nullptr) sum += to_compute(static_cast<const S*>(a.bias)[row]);
        S* const logits = static_cast<S*>(a.logits) + row * a.columns;
        const std::int32_t target = a.ids[row];
        for (std::int64_t j = lane; j < a.columns; j += 32) {
            C value = j == a.samples ? sum : -static_cast<C>(HUGE_VAL);
            if (j < a.samples && a.ids[a.rows + j] != target)
                value = to_compute(logits[j]) - static_cast<C>(a.log_counts[j]);
            logits[j] = to_storage<S>(value);
        }
    }
}

void candidate_logits(const CandidateLogitsArrays& a, cudaStream_t stream) {
    if (a.rows == 0) return;
    with_storage(a.dtype, [&]<class S>() {
        device::launch(
            {.kernel = "candidate_logits", .grid = striding_blocks(a.rows * 32), .block = kThreads, .stream = stream},
            candidate_logits_kernel<S>, a);
    });
}

}  // namespace rondo::kernels
