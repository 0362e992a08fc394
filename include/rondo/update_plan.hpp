#pragma once
/// What an optimizer's update decides before it writes: whether the gradient can be used, how it is clipped, how far
/// the moments are corrected, and the loss scale. One function of a few numbers, run where they lie, so that the host
/// need not wait for them.
#include <cmath>
#include <cstdint>

#include "rondo/cell/math.hpp"  // RONDO_HD

namespace rondo {

/// What bounds the gradient; see ClipSpec.
enum class ClipKind { none, norm, tensor_norm, value };

/// Neighbouring elements of the parameter array that are updated alike.
struct UpdateRange {
    std::int64_t begin = 0, end = 0;
    double weight_decay = 0;
    std::int64_t group = 0;  ///< of UpdatePlan::factors
};

/// No loss scale grows beyond this; below 1 none falls.
inline constexpr double kMostLossScale = 0x1p24;

/// Kept from update to update.
struct UpdateCounts {
    std::int64_t updates = 0;         ///< done, without the skipped
    double loss_scale = 1;            ///< what losses are multiplied by before they are differentiated
    std::int64_t steps_at_scale = 0;  ///< since it changed
    friend bool operator==(const UpdateCounts&, const UpdateCounts&) = default;
};

/// What the update reads beside the arrays.
struct UpdateScalars {
    double learning_rate = 0;
    double adam_rate = 0;         ///< learning_rate / (1 - beta1^n)
    double root_correction2 = 1;  ///< sqrt(1 - beta2^n)
    std::int64_t skip = 0;        ///< the gradient was not finite: nothing is written
};

/// What is told about it.
struct UpdateFindings {
    double norm = 0;        ///< of the gradient of the unscaled loss, before clipping
    double loss_scale = 1;  ///< that it was made with
    std::int64_t finite = 1, clipped = 0;
};

/// All pointers are memory of the device that runs it.
struct UpdatePlan {
    ClipKind clip = ClipKind::none;
    double limit = 0;
    std::int64_t groups = 1;          ///< tensors that are clipped on their own; 1: all together
    const double* sums = nullptr;     ///< in [groups]: sums of squares
    const double* largest = nullptr;  ///< in: the largest absolute value (ClipKind::value)
    double beta1 = 0, beta2 = 0;
    const double* learning_rate = nullptr;  ///< in
    bool scaled = false;                    ///< the loss scale follows the gradients
    double growth = 2, backoff = 0.5, most = kMostLossScale;
    std::int64_t interval = 2000;  ///< finite gradients after which it grows

    UpdateCounts* counts = nullptr;      ///< in, out
    double* loss_scale = nullptr;        ///< in, out: where the losses read it
    UpdateScalars* scalars = nullptr;    ///< out
    double* factors = nullptr;           ///< out [groups]: what gradients are multiplied by as they are read
    UpdateFindings* findings = nullptr;  ///< out
};

/// With n = |g|, the norm of all gradients (of one tensor's): factor = min(1, limit / (n + 1e-6)) / loss scale, PyTorch's
/// clip_grad_norm_. A gradient that is not finite is skipped, and does not count as an update. A loss scale is
/// multiplied by `backoff` when that happens, and by `growth` after `interval` gradients that were finite (Micikevicius
/// et al., "Mixed precision training", ICLR 2018).
RONDO_HD void plan_update(const UpdatePlan& plan) {
    UpdateCounts& counts = *plan.counts;
    counts.loss_scale = *plan.loss_scale;
    const double unscale = 1 / counts.loss_scale;
    double sum = 0;
    for (std::int64_t g = 0; g < plan.groups; ++g) sum += plan.sums[g];
    const bool finite = sum - sum == 0;  // and no NaN
    bool clipped = false;
    for (std::int64_t g = 0; g < plan.groups; ++g) {
        const double norm = ::sqrt(plan.sums[g]) * unscale;
        const bool by_norm = plan.clip == ClipKind::norm || plan.clip == ClipKind::tensor_norm;
        const double coefficient = by_norm ? ::fmin(1.0, plan.limit / (norm + 1e-6)) : 1;
        clipped = clipped || coefficient < 1;
        plan.factors[g] = coefficient * unscale;
    }
    if (plan.clip == ClipKind::value) clipped = *plan.largest * unscale > plan.limit;
    *plan.findings = {::sqrt(sum) * unscale, counts.loss_scale, finite ? 1 : 0, finite && clipped ? 1 : 0};

    if (finite) ++counts.updates;
    const auto n = static_cast<double>(counts.updates);
    *plan.scalars = {*plan.learning_rate, *plan.learning_rate / (1 - ::pow(plan.beta1, n)),
                     ::sqrt(1 - ::pow(plan.beta2, n)), finite ? 0 : 1};

    if (plan.scaled && !finite) {
        counts.loss_scale = ::fmax(counts.loss_scale * plan.backoff, 1.0);
        counts.steps_at_scale = 0;
    } else if (plan.scaled && ++counts.steps_at_scale >= plan.interval) {
        counts.loss_scale = ::fmin(counts.loss_scale * plan.growth, plan.most);
        counts.steps_at_scale = 0;
    }
    *plan.loss_scale = counts.loss_scale;
}

}  // namespace rondo
