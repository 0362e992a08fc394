/// Optimizer updates over a whole array. The formulas stand in rondo/optimizer.hpp.
#include <cmath>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {
namespace {

/// One update's arrays and constants in the arithmetic of T.
template <class T>
struct Step {
    T *p, *first, *second;
    const T* g;
    T rate, scale, momentum, beta1, rest1, beta2, rest2, epsilon, decay, root_correction2, adam_rate;

    explicit Step(const Update& u)
        : p(static_cast<T*>(u.parameters)),
          first(static_cast<T*>(u.first)),
          second(static_cast<T*>(u.second)),
          g(static_cast<const T*>(u.gradients)),
          rate(static_cast<T>(u.scalars->learning_rate)),
          scale(static_cast<T>(u.scalars->gradient_scale)),
          momentum(static_cast<T>(u.momentum)),
          beta1(static_cast<T>(u.beta1)),
          rest1(static_cast<T>(1 - u.beta1)),
          beta2(static_cast<T>(u.beta2)),
          rest2(static_cast<T>(1 - u.beta2)),
          epsilon(static_cast<T>(u.epsilon)),
          decay(static_cast<T>(u.weight_decay)),
          root_correction2(static_cast<T>(std::sqrt(u.scalars->bias_correction2))),
          adam_rate(static_cast<T>(u.scalars->learning_rate / u.scalars->bias_correction1)) {}

    void sgd(std::int64_t begin, std::int64_t end) const {
        for (std::int64_t i = begin; i < end; ++i) p[i] -= rate * (g[i] * scale + decay * p[i]);
    }

    template <bool kNesterov>
    void sgd_momentum(std::int64_t begin, std::int64_t end) const {
        for (std::int64_t i = begin; i < end; ++i) {
            const T d = g[i] * scale + decay * p[i];
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
            const T d = kDecoupled ? g[i] * scale : g[i] * scale + decay * p[i];
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
        const Step<T> step(update);
        pool_.parallel_for(update.count, cpu::kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            switch (update.rule) {
                case Update::Rule::sgd:
                    if (!update.first)
                        step.sgd(begin, end);
                    else if (update.nesterov)
                        step.template sgd_momentum<true>(begin, end);
                    else
                        step.template sgd_momentum<false>(begin, end);
                    return;
                case Update::Rule::adam:
                    step.template adam<false>(begin, end);
                    return;
                case Update::Rule::adamw:
                    step.template adam<true>(begin, end);
                    return;
            }
        });
    });
}

}  // namespace rondo
