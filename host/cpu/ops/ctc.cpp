/// Connectionist temporal classification, in double and in log space (Graves et al. 2006, section 4).
#include <cmath>
#include <limits>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "cpu/table.hpp"

namespace rondo {

using cpu::with_type;

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
    const double larger = std::max(a, b);
    return larger == kNever ? kNever : larger + std::log1p(std::exp(std::min(a, b) - larger));
}

/// Doubles that one row needs: log p of the blank and each label, alpha, and beta of two steps.
std::int64_t doubles_of_row(std::int64_t steps, std::int64_t labels) {
    return steps * (labels + 1) + (steps + 2) * (2 * labels + 1);
}

/// One row of the batch. A state is a label or the blank before, between or behind labels: state 2u+1 is label u, even
/// ones are blanks.
template <class T>
class Alignment {
public:
    Alignment(const Ctc& loss, const cpu::Functions& functions, std::int64_t row)
        : c_(loss), functions_(functions), b_(row), steps_(c_.lengths ? c_.lengths[row] : c_.steps) {
        while (labels_ < c_.target_steps && label(labels_) >= 0) ++labels_;
        states_ = 2 * labels_ + 1;
        emitted_ = static_cast<double*>(c_.scratch) + row * doubles_of_row(c_.steps, c_.target_steps);
        alpha_ = emitted_ + c_.steps * (c_.target_steps + 1);
        beta_ = alpha_ + c_.steps * (2 * c_.target_steps + 1);
    }

    std::int64_t labels() const { return labels_; }

    /// -log p of the labels. Writes the gradient of scale times that.
    double run(double scale) {
        for (std::int64_t t = 0; t < steps_; ++t) emit(t, scale);
        for (std::int64_t t = steps_; c_.dlogits && t < c_.steps; ++t) std::fill(row(t), row(t) + c_.classes, T(0));
        if (steps_ == 0) return 0;
        for (std::int64_t t = 0; t < steps_; ++t) step_forward(t);
        const double* last = alpha(steps_ - 1);
        const double log_p = log_add(last[states_ - 1], states_ > 1 ? last[states_ - 2] : kNever);
        if (c_.dlogits)
            for (std::int64_t t = steps_; t-- > 0;) step_backward(t, scale, log_p);
        return -log_p;
    }

private:
    std::int32_t label(std::int64_t u) const { return c_.targets[u * c_.batch + b_]; }
    std::int32_t class_of(std::int64_t state) const { return state % 2 == 0 ? c_.blank : label(state / 2); }
    T* row(std::int64_t t) const { return static_cast<T*>(c_.dlogits) + (t * c_.batch + b_) * c_.classes; }
    double* alpha(std::int64_t t) const { return alpha_ + t * (2 * c_.target_steps + 1); }
    double* beta(std::int64_t t) const { return beta_ + t % 2 * (2 * c_.target_steps + 1); }
    double emitted(std::int64_t t, std::int64_t state) const {
        return emitted_[t * (c_.target_steps + 1) + (state % 2 == 0 ? 0 : 1 + state / 2)];
    }
    /// Whether the blank before this state may be left out.
    bool skips(std::int64_t state) const {
        return state % 2 == 1 && state > 1 && label(state / 2) != label(state / 2 - 1);
    }

    /// Log probabilities of step t, before its softmax may be written over them.
    void emit(std::int64_t t, double scale) {
        const T* logits = static_cast<const T*>(c_.logits) + (t * c_.batch + b_) * c_.classes;
        double* to = emitted_ + t * (c_.target_steps + 1);
        to[0] = static_cast<double>(logits[c_.blank]);
        for (std::int64_t u = 0; u < labels_; ++u) to[1 + u] = static_cast<double>(logits[label(u)]);
        const cpu::SoftmaxRow sum = functions_.softmax_row(logits, c_.dlogits ? row(t) : nullptr, c_.classes, scale);
        for (std::int64_t u = 0; u <= labels_; ++u) to[u] -= sum.maximum + std::log(sum.sum);
    }

    void step_forward(std::int64_t t) {
        double* now = alpha(t);
        for (std::int64_t s = 0; s < states_; ++s) {
            double reached = kNever;
            if (t == 0) {
                reached = s <= 1 ? 0 : kNever;
            } else {
                const double* before = alpha(t - 1);
                reached = before[s];
                if (s > 0) reached = log_add(reached, before[s - 1]);
                if (skips(s)) reached = log_add(reached, before[s - 2]);
            }
            now[s] = reached + emitted(t, s);
        }
    }

    /// beta(t)[s]: log p of what follows step t, from state s.
    void step_backward(std::int64_t t, double scale, double log_p) {
        double* now = beta(t);
        const double* after = beta(t + 1);
        for (std::int64_t s = 0; s < states_; ++s) {
            if (t + 1 == steps_) {
                now[s] = s + 2 >= states_ ? 0 : kNever;
            } else {
                now[s] = after[s] + emitted(t + 1, s);
                if (s + 1 < states_) now[s] = log_add(now[s], after[s + 1] + emitted(t + 1, s + 1));
                if (s + 2 < states_ && skips(s + 2)) now[s] = log_add(now[s], after[s + 2] + emitted(t + 1, s + 2));
            }
            row(t)[class_of(s)] -= static_cast<T>(scale * std::exp(alpha(t)[s] + now[s] - log_p));
        }
    }

    const Ctc& c_;
    const cpu::Functions& functions_;
    std::int64_t b_, steps_, labels_ = 0, states_ = 1;
    double *emitted_, *alpha_, *beta_;
};

}  // namespace

std::int64_t CpuBackend::ctc_scratch(DType, std::int64_t steps, std::int64_t batch, std::int64_t,
                                     std::int64_t target_steps) const {
    return (batch * doubles_of_row(steps, target_steps) + 2 * batch) * size_of(DType::f64);
}

void CpuBackend::ctc(const Ctc& c, Stream) {
    const double scale = (c.scale ? *c.scale : 1) * (c.loss_scale ? *c.loss_scale : 1);
    double* losses = static_cast<double*>(c.scratch) + c.batch * doubles_of_row(c.steps, c.target_steps);
    double* labels = losses + c.batch;
    with_type(c.dtype, [&]<class T>() {
        const cpu::Functions& functions = kDType<T> == DType::f64 ? table_->f64 : table_->f32;
        pool_.parallel_for(c.batch, 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t b = begin; b < end; ++b) {
                Alignment<T> alignment(c, functions, b);
                losses[b] = alignment.run(scale);
                labels[b] = static_cast<double>(alignment.labels());
            }
        });
    });
    for (std::int64_t b = 0; b < c.batch; ++b) {
        *c.loss += losses[b];
        *c.counted += static_cast<std::int64_t>(labels[b]);
    }
}

}  // namespace rondo
