// One optimizer update of a whole parameter array, all tensors in one launch. d = clamp(factor·g) (+ decay·p):
//   sgd    m = momentum·m + d;  p -= rate·(nesterov ? d + momentum·m : m)   (without momentum m = d is not kept)
//   adam   m = b1·m + (1-b1)·d;  v = b2·v + (1-b2)·d²;  p -= rate/c1 · m / (sqrt(v/c2) + epsilon)
//   adamw  the same after p *= 1 - rate·decay, without decay in d
//   decay and factor are a range's (a tensor's); rate, c1, c2 and skip, like the factors, lie in device memory; nothing
//   is written where skip is not zero
//   traffic: 3 to 7 times C bytes an element; memory-bound; deterministic
#include "arrays.hpp"
#include "elements.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

/// The update's constants in the arithmetic of C.
template <class C>
struct Constants {
    C rate, momentum, beta1, rest1, beta2, rest2, epsilon, clamp, root_correction2, adam_rate;

    RONDO_DEVICE explicit Constants(const UpdateArrays& a)
        : rate(static_cast<C>(a.scalars->learning_rate)),
          momentum(static_cast<C>(a.momentum)),
          beta1(static_cast<C>(a.beta1)),
          rest1(static_cast<C>(1 - a.beta1)),
          beta2(static_cast<C>(a.beta2)),
          rest2(static_cast<C>(1 - a.beta2)),
          epsilon(static_cast<C>(a.epsilon)),
          clamp(a.clamp > 0 ? static_cast<C>(a.clamp) : static_cast<C>(HUGE_VAL)),
          root_correction2(static_cast<C>(a.scalars->root_correction2)),
          adam_rate(static_cast<C>(a.scalars->adam_rate)) {}
};

/// The range that elements, asked for in ascending order, lie in.
template <class C>
struct RangeWalk {
    const UpdateRange* range;
    const double* factors;
    std::int64_t end;
    C factor, decay;

    RONDO_DEVICE RangeWalk(const UpdateRange* first, const double* all_factors) : range(first), factors(all_factors) {
        read();
    }
    RONDO_DEVICE void go_to(std::int64_t element) {
        while (element >= end) {
            ++range;
            read();
        }
    }
    RONDO_DEVICE void read() {
        end = range->end;
        factor = static_cast<C>(factors[range->group]);
        decay = static_cast<C>(range->weight_decay);
    }
};

template <class C, UpdateArrays::Rule kRule, int kCount>
__global__ void __launch_bounds__(kThreads) update_kernel(const UpdateArrays a) {
    using Rule = UpdateArrays::Rule;
    if (a.scalars->skip != 0) return;
    const Constants<C> k(a);
    RangeWalk<C> at_range(a.ranges, a.factors);
    C *const parameters = static_cast<C*>(a.parameters), *const first = static_cast<C*>(a.first),
             *const second = static_cast<C*>(a.second);
    const C* const gradients = static_cast<const C*>(a.gradients);
    const bool has_first = kRule != Rule::sgd || first != nullptr;  // asking at every element makes Adam spill
    for (std::int64_t at = global_thread() * kCount; at < a.count; at += grid_threads() * kCount) {
        C p[kCount], g[kCount], m[kCount], v[kCount];
        load(p, parameters + at);
        load(g, gradients + at);
        fill(m, 0);
        if (has_first) load(m, first + at);
        if constexpr (kRule != Rule::sgd) load(v, second + at);
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
            at_range.go_to(at + i);
            const C read = math::clamp(g[i] * at_range.factor, k.clamp), decay = at_range.decay;
            if constexpr (kRule == Rule::sgd) {
                const C d = read + decay * p[i];
                m[i] = has_first ? k.momentum * m[i] + d : d;
                p[i] -= k.rate * (a.nesterov && has_first ? d + k.momentum * m[i] : m[i]);
            } else {
                const bool decoupled = kRule == Rule::adamw;
                const C before = decoupled ? p[i] * (C(1) - k.rate * decay) : p[i];
                const C d = decoupled ? read : read + decay * p[i];
                m[i] = k.beta1 * m[i] + k.rest1 * d;
                v[i] = k.beta2 * v[i] + k.rest2 * d * d;
                p[i] = before - k.adam_rate * (m[i] / (sqrt(v[i]) / k.root_correction2 + k.epsilon));
            }
        }
        store(parameters + at, p);
        if (has_first) store(first + at, m);
        if constexpr (kRule != Rule::sgd) store(second + at, v);
    }
}

namespace {

template <class C, UpdateArrays::Rule kRule>
void launch_update(const UpdateArrays& a, cudaStream_t stream) {
    constexpr int kCount = kWide<C>;
    const bool wide =
        a.count % kCount == 0 && all_aligned<kCount>(sizeof(C), a.parameters, a.gradients, a.first, a.second);
    device::launch({.kernel = "update",
                    .grid = striding_blocks(wide ? a.count / kCount : a.count),
                    .block = kThreads,
                    .stream = stream},
                   wide ? update_kernel<C, kRule, kCount> : update_kernel<C, kRule, 1>, a);
}

}  // namespace

void update(const UpdateArrays& a, cudaStream_t stream) {
    if (a.count == 0) return;
    with_accumulator(a.dtype, [&]<class C>() {
        switch (a.rule) {
            case UpdateArrays::Rule::sgd:
                return launch_update<C, UpdateArrays::Rule::sgd>(a, stream);
            case UpdateArrays::Rule::adam:
                return launch_update<C, UpdateArrays::Rule::adam>(a, stream);
            case UpdateArrays::Rule::adamw:
                return launch_update<C, UpdateArrays::Rule::adamw>(a, stream);
        }
    });
}

}  // namespace rondo::kernels
