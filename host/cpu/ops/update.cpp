/// Optimizer updates over a whole array. The formulas stand in rondo/optimizer.hpp.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {
namespace {

/// One range's arrays and constants in the arithmetic of T.
template <class T>
struct Step {
    T *p, *first, *second;
    const T* g;
    T rate, scale, momentum, beta1, rest1, beta2, rest2, epsilon, decay, root_correction2, adam_rate;

    T clamp;

    Step(const Update& u, const UpdateRange& range)
        : p(static_cast<T*>(u.parameters)),
          first(static_cast<T*>(u.first)),
          second(static_cast<T*>(u.second)),
          g(static_cast<const T*>(u.gradients)),
          rate(static_cast<T>(u.scalars->learning_rate)),
          scale(static_cast<T>(u.factors[range.group])),
          momentum(static_cast<T>(u.momentum)),
          beta1(static_cast<T>(u.beta1)),
          rest1(static_cast<T>(1 - u.beta1)),
          beta2(static_cast<T>(u.beta2)),
          rest2(static_cast<T>(1 - u.beta2)),
          epsilon(static_cast<T>(u.epsilon)),
          decay(static_cast<T>(range.weight_decay)),
          root_correction2(static_cast<T>(u.scalars->root_correction2)),
          adam_rate(static_cast<T>(u.scalars->adam_rate)),
          clamp(u.clamp > 0 ? static_cast<T>(u.clamp) : std::numeric_limits<T>::infinity()) {}

    T gradient(std::int64_t i) const { return math::clamp(g[i] * scale, clamp); }

    void run(const Update& u, std::int64_t begin, std::int64_t end) const {
        switch (u.rule) {
            case Update::Rule::sgd:
                if (!first) return sgd(begin, end);
                return u.nesterov ? sgd_momentum<true>(begin, end) : sgd_momentum<false>(begin, end);
            case Update::Rule::adam:
                return adam<false>(begin, end);
            case Update::Rule::adamw:
                return adam<true>(begin, end);
        }
    }

    void sgd(std::int64_t begin, std::int64_t end) const {
        for (std::int64_t i = begin; i < end; ++i) p[i] -= rate * (gradient(i) + decay * p[i]);
    }

    template <bool kNesterov>
    void sgd_momentum(std::int64_t begin, std::int64_t end) const {
        for (std::int64_t i = begin; i < end; ++i) {
            const T d = gradient(i) + decay * p[i];
            const T m = momentum * first[i] + d;
            first[i] = m;
            p[i] -= rate * (kNesterov ? d + momentum * m : m);
        }
    }

    /// kDecoupled: AdamW, whose decay does not enter the gradient.
    template <bool kDecoupled>
    void adam(std::int64_t begin, std::int64_t end) const {
        for (std::int64_t i = begin; i < end; ++i) {
            const T before = kDecoupled ? p[i] * (T(1) - rate * decay) : p[i];
            const T d = kDecoupled ? gradient(i) : gradient(i) + decay * p[i];
            const T m = beta1 * first[i] + rest1 * d;
            const T v = beta2 * second[i] + rest2 * d * d;
            first[i] = m;
            second[i] = v;
            p[i] = before - adam_rate * (m / (std::sqrt(v) / root_correction2 + epsilon));
        }
    }
};

}  // namespace

void CpuBackend::update(const Update& update, Stream) {
    if (update.scalars->skip != 0) return;
    cpu::with_type(update.dtype, [&]<class T>() {
        pool_.parallel_for(update.count, cpu::kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = 0; r < update.range_count; ++r) {
                const UpdateRange& range = update.ranges[r];
                const std::int64_t from = std::max(begin, range.begin), to = std::min(end, range.end);
                if (from < to) Step<T>(update, range).run(update, from, to);
            }
        });
    });
}

}  // namespace rondo
