// -log Σ over all paths that become the labels, and its gradient scale·(softmax - Σ of the states of a class of their
//   posterior), in log space and in double (Graves et al. 2006, section 4)
//   1. a block a (t,b): the row's softmax sums, and log p of the blank and of each label
//   2. a block a row of the batch: alpha step by step, then beta, which turns alpha into posteriors
//   3. a block a (t,b): the gradient; states of one class are added by one thread, in order, so that nothing is atomic
//   logits, dlogits [T,B,V] (may be the same)   targets [U,B]: labels, then -1
//   a state is a label or the blank before, between or behind labels: state 2u+1 is label u, even ones are blanks
//   traffic: 3·S bytes an element of the logits, and 8·(3·U + 2) a (t,b); bound by the T steps in turn; deterministic
#include <algorithm>

#include "ctc.hpp"
#include "loss.cuh"

namespace rondo::kernels {
namespace {

constexpr int kStateThreads = 256;  // at most

}  // namespace

/// What the three hand on, and where it lies.
struct CtcScratch {
    double *emitted, *alpha, *beta, *norms;
    LossShare* shares;
    std::int32_t* next;  ///< [B,U] the next label that is the same: U where there is none
    bool* first;         ///< [B,U] whether there is none before it
    std::int64_t steps, labels;

    RONDO_HD std::int64_t states() const { return 2 * labels + 1; }
    RONDO_HD double* emitted_at(std::int64_t b, std::int64_t t) const {
        return emitted + (b * steps + t) * (labels + 1);
    }
    RONDO_HD double* alpha_at(std::int64_t b, std::int64_t t) const { return alpha + (b * steps + t) * states(); }
    RONDO_HD double* beta_at(std::int64_t b, std::int64_t t) const { return beta + (b * 2 + t % 2) * states(); }
    /// The row's largest logit and Σ e^(logit - that).
    RONDO_HD double* norms_at(std::int64_t b, std::int64_t t) const { return norms + (b * steps + t) * 2; }
};

RONDO_DEVICE std::int64_t ctc_steps(const CtcArrays& a, std::int64_t b) {
    return a.lengths == nullptr ? a.steps : a.lengths[b];
}
RONDO_DEVICE std::int32_t ctc_label(const CtcArrays& a, std::int64_t b, std::int64_t u) {
    return a.targets[u * a.batch + b];
}
/// The labels of a row, those before the first -1.
RONDO_DEVICE std::int64_t ctc_labels(const CtcArrays& a, std::int64_t b) {
    std::int64_t count = 0;
    while (count < a.target_steps && ctc_label(a, b, count) >= 0) ++count;
    return count;
}

RONDO_DEVICE double log_add(double x, double y) {
    const double larger = x > y ? x : y, smaller = x > y ? y : x;
    return larger == -HUGE_VAL ? larger : larger + log1p(exp(smaller - larger));
}

template <class S, int kCount>
__global__ void __launch_bounds__(kRowThreads, 1) ctc_emissions(const CtcArrays a, const CtcScratch scratch) {
    const Place step = place_of(blockIdx.x, a.batch);
    const std::int64_t t = step.row, b = step.column;
    if (t >= ctc_steps(a, b)) return;
    const S* const x = static_cast<const S*>(a.logits) + blockIdx.x * a.classes;
    const auto softmax = softmax_of<kCount>(x, a.classes);
    const double most = static_cast<double>(softmax.maximum), sum = static_cast<double>(softmax.sum);
    double* const emitted = scratch.emitted_at(b, t);
    for (std::int64_t u = threadIdx.x; u <= a.target_steps; u += kRowThreads) {
        const std::int32_t label = u == 0 ? a.blank : ctc_label(a, b, u - 1);
        if (label >= 0) emitted[u] = static_cast<double>(to_compute(x[label])) - most - log(sum);
    }
    if (threadIdx.x != 0) return;
    scratch.norms_at(b, t)[0] = most;
    scratch.norms_at(b, t)[1] = sum;
}

/// One row of the batch, by the threads of a block.
struct Alignment {
    const CtcArrays& a;
    const CtcScratch& scratch;
    std::int64_t b, steps, labels, states;

    RONDO_DEVICE double emitted(std::int64_t t, std::int64_t state) const {
        return scratch.emitted_at(b, t)[state % 2 == 0 ? 0 : 1 + state / 2];
    }
    /// Whether the blank before this state may be left out.
    RONDO_DEVICE bool skips(std::int64_t state) const {
        return state % 2 == 1 && state > 1 && ctc_label(a, b, state / 2) != ctc_label(a, b, state / 2 - 1);
    }

    RONDO_DEVICE double reached(std::int64_t t, std::int64_t state) const {
        if (t == 0) return state <= 1 ? 0 : -HUGE_VAL;
        const double* const before = scratch.alpha_at(b, t - 1);
        double sum = before[state];
        if (state > 0) sum = log_add(sum, before[state - 1]);
        if (skips(state)) sum = log_add(sum, before[state - 2]);
        return sum;
    }
    /// Log p of what follows step t, from this state.
    RONDO_DEVICE double following(std::int64_t t, std::int64_t state) const {
        if (t + 1 == steps) return state + 2 >= states ? 0 : -HUGE_VAL;
        const double* const after = scratch.beta_at(b, t + 1);
        double sum = after[state] + emitted(t + 1, state);
        if (state + 1 < states) sum = log_add(sum, after[state + 1] + emitted(t + 1, state + 1));
        if (state + 2 < states && skips(state + 2)) sum = log_add(sum, after[state + 2] + emitted(t + 1, state + 2));
        return sum;
    }

    /// Chains of equal labels.
    RONDO_DEVICE void link() const {
        for (std::int64_t u = threadIdx.x; u < labels; u += blockDim.x) {
            const std::int32_t label = ctc_label(a, b, u);
            std::int64_t before = 0, next = u + 1;
            while (ctc_label(a, b, before) != label) ++before;
            while (next < labels && ctc_label(a, b, next) != label) ++next;
            scratch.first[b * a.target_steps + u] = before == u;
            scratch.next[b * a.target_steps + u] = static_cast<std::int32_t>(next);
        }
    }
};

static __global__ void __launch_bounds__(kStateThreads) ctc_alignments(const CtcArrays a, const CtcScratch scratch) {
    const std::int64_t b = blockIdx.x, labels = ctc_labels(a, b);
    const Alignment row{a, scratch, b, ctc_steps(a, b), labels, 2 * labels + 1};
    if (row.steps == 0) {
        if (threadIdx.x == 0) scratch.shares[b] = {0, labels};
        return;
    }
    for (std::int64_t t = 0; t < row.steps; ++t) {
        double* const alpha = scratch.alpha_at(b, t);
        for (std::int64_t s = threadIdx.x; s < row.states; s += blockDim.x)
            alpha[s] = row.reached(t, s) + row.emitted(t, s);
        __syncthreads();
    }
    const double* const last = scratch.alpha_at(b, row.steps - 1);
    const double log_p = log_add(last[row.states - 1], row.states > 1 ? last[row.states - 2] : -HUGE_VAL);
    if (threadIdx.x == 0) scratch.shares[b] = {-log_p, labels};
    if (a.dlogits == nullptr) return;
    row.link();
    __syncthreads();  // the last step has been read
    for (std::int64_t t = row.steps - 1; t >= 0; --t) {
        double *const alpha = scratch.alpha_at(b, t), *const beta = scratch.beta_at(b, t);
        for (std::int64_t s = threadIdx.x; s < row.states; s += blockDim.x) {
            beta[s] = row.following(t, s);
            alpha[s] = exp(alpha[s] + beta[s] - log_p);
        }
        __syncthreads();
    }
}

template <class S, int kCount>
__global__ void __launch_bounds__(kRowThreads, 1) ctc_gradients(const CtcArrays a, const CtcScratch scratch) {
    using C = Compute<S>;
    const Place step = place_of(blockIdx.x, a.batch);
    const std::int64_t t = step.row, b = step.column;
    const S* const x = static_cast<const S*>(a.logits) + blockIdx.x * a.classes;
    S* const dx = static_cast<S*>(a.dlogits) + blockIdx.x * a.classes;
    const bool valid = t < ctc_steps(a, b);
    const double scale = value_or_one(a.scale) * value_or_one(a.loss_scale);
    const C most = valid ? static_cast<C>(scratch.norms_at(b, t)[0]) : C(0);
    const C factor = valid ? static_cast<C>(scale / scratch.norms_at(b, t)[1]) : C(0);
    for (std::int64_t i = threadIdx.x * kCount; i < a.classes; i += kRowThreads * kCount) {
        C value[kCount];
        fill(value, 0);
        if (valid) load(value, x + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) value[j] = valid ? math::exp(value[j] - most) * factor : C(0);
        store(dx + i, value);
    }
    if (!valid) return;
    const std::int64_t labels = ctc_labels(a, b);
    const double *const posterior = scratch.alpha_at(b, t), *const emitted = scratch.emitted_at(b, t);
    double blanks = 0;
    for (std::int64_t u = threadIdx.x; u <= labels; u += kRowThreads) blanks += posterior[2 * u];
    blanks = device::block_sum<kRowThreads>(blanks);  // and a barrier: the row has been written
    if (threadIdx.x == 0) dx[a.blank] = to_storage<S>(static_cast<C>(scale * (exp(emitted[0]) - blanks)));
    for (std::int64_t u = threadIdx.x; u < labels; u += kRowThreads) {
        if (!scratch.first[b * a.target_steps + u]) continue;
        double sum = 0;
        for (std::int64_t v = u; v < labels; v = scratch.next[b * a.target_steps + v]) sum += posterior[2 * v + 1];
        dx[ctc_label(a, b, u)] = to_storage<S>(static_cast<C>(scale * (exp(emitted[1 + u]) - sum)));
    }
}

namespace {

/// Doubles of each array of the scratch; the last holds `next` and `first`.
struct CtcExtents {
    std::int64_t emitted, alpha, beta, norms, shares, links;

    CtcExtents(std::int64_t steps, std::int64_t batch, std::int64_t labels)
        : emitted(batch * steps * (labels + 1)),
          alpha(batch * steps * (2 * labels + 1)),
          beta(batch * 2 * (2 * labels + 1)),
          norms(batch * steps * 2),
          shares(batch * 2),
          links(batch * labels) {}
};
static_assert(sizeof(LossShare) == 2 * sizeof(double) && sizeof(std::int32_t) + sizeof(bool) <= sizeof(double));

CtcScratch scratch_of(const CtcArrays& a, void* memory) {
    const CtcExtents extents(a.steps, a.batch, a.target_steps);
    CtcScratch s{};
    s.emitted = static_cast<double*>(memory);
    s.alpha = s.emitted + extents.emitted;
    s.beta = s.alpha + extents.alpha;
    s.norms = s.beta + extents.beta;
    double* const shares = s.norms + extents.norms;
    s.shares = reinterpret_cast<LossShare*>(shares);
    s.next = reinterpret_cast<std::int32_t*>(shares + extents.shares);
    s.first = reinterpret_cast<bool*>(s.next + extents.links);
    s.steps = a.steps;
    s.labels = a.target_steps;
    return s;
}

}  // namespace

std::int64_t ctc_scratch(std::int64_t steps, std::int64_t batch, std::int64_t target_steps) {
    const CtcExtents e(steps, batch, target_steps);
    return (e.emitted + e.alpha + e.beta + e.norms + e.shares + e.links) * static_cast<std::int64_t>(sizeof(double));
}

void ctc(const CtcArrays& a, void* memory, cudaStream_t stream) {
    if (a.batch == 0) return;
    const CtcScratch scratch = scratch_of(a, memory);
    with_storage(a.dtype, [&]<class S>() {
        constexpr int kCount = kFull<S>;
        const bool wide = a.classes % kCount == 0 && all_aligned<kCount>(sizeof(S), a.logits, a.dlogits);
        const std::int64_t rows = a.steps * a.batch;
        if (rows > 0)
            device::launch({.kernel = "ctc_emissions",
                            .grid = device::blocks_for(rows, 1),
                            .block = kRowThreads,
                            .stream = stream},
                           wide ? ctc_emissions<S, kCount> : ctc_emissions<S, 1>, a, scratch);
        const auto warps = std::clamp<std::int64_t>(device::ceil_div(scratch.states(), 32), 1, kStateThreads / 32);
        device::launch({.kernel = "ctc_alignments",
                        .grid = device::blocks_for(a.batch, 1),
                        .block = dim3(static_cast<unsigned>(warps * 32)),
                        .stream = stream},
                       ctc_alignments, a, scratch);
        if (rows > 0 && a.dlogits != nullptr)
            device::launch({.kernel = "ctc_gradients",
                            .grid = device::blocks_for(rows, 1),
                            .block = kRowThreads,
                            .stream = stream},
                           wide ? ctc_gradients<S, kCount> : ctc_gradients<S, 1>, a, scratch);
    });
    launch_add_loss_shares(a.loss, a.counted, scratch.shares, a.batch, stream);
}

}  // namespace rondo::kernels
