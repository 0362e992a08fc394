#pragma once
/// From gradients to parameters: optimizers, learning-rate schedules, gradient clipping.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rondo/network.hpp"
#include "rondo/update_plan.hpp"

namespace rondo {

/// PyTorch's formulas; g gradient, p parameter, n the count of updates done with this one.
///   sgd    g += decay·p;  m = momentum·m + g;  p -= lr·(nesterov ? g + momentum·m : m)
///   adam   g += decay·p;  m = b1·m + (1-b1)·g;  v = b2·v + (1-b2)·g²;
///          p -= lr/(1-b1ⁿ) · m / (sqrt(v/(1-b2ⁿ)) + epsilon)
///   adamw  p -= lr·decay·p, then as adam without decay in g
struct OptimizerSpec {
    enum class Rule { sgd, adam, adamw };
    Rule rule = Rule::sgd;
    double momentum = 0;
    bool nesterov = false;
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double weight_decay = 0;
    bool decay_biases = true;  ///< false: weight decay leaves the biases out
    friend bool operator==(const OptimizerSpec&, const OptimizerSpec&) = default;
};

/// The learning rate of a step. `step` and `epoch` count from 0.
///   constant     rate
///   steps        rate · factor^floor(epoch / every)
///   exponential  rate · factor^max(0, epoch + 1 - after): full in the first `after` epochs (Zaremba et al. 2014)
///   cosine       minimum + (rate - minimum)·(1 + cos(π·s))/2, s from 0 to 1 over the steps warmup to total
/// In the first `warmup` steps, whatever the kind, it is multiplied by (step + 1) / warmup.
struct ScheduleSpec {
    enum class Kind { constant, steps, exponential, cosine };
    Kind kind = Kind::constant;
    double rate = 1;
    double factor = 1;
    std::int64_t every = 1;   ///< epochs
    std::int64_t after = 0;   ///< epochs
    std::int64_t warmup = 0;  ///< steps
    std::int64_t total = 0;   ///< steps; cosine
    double minimum = 0;       ///< cosine
    friend bool operator==(const ScheduleSpec&, const ScheduleSpec&) = default;
};

/// What bounds the gradient before it is used. Clipping inside the recurrence is StackSpec::recurrent_clip.
///   norm         all gradients times min(1, limit / (|g| + 1e-6)), |g| the norm of all of them: PyTorch's rule
///   tensor_norm  the same for each tensor on its own
///   value        each element clamped to ±limit
struct ClipSpec {
    using Kind = ClipKind;
    Kind kind = Kind::none;
    double limit = 0;
    friend bool operator==(const ClipSpec&, const ClipSpec&) = default;
};

/// Gradients in f16 underflow below 6e-8; the loss is multiplied by a scale before it is differentiated, and the
/// gradient divided by it where parameters are updated. The scale is multiplied by `growth` after `interval` updates
/// with finite gradients, by `backoff` (and the update skipped) when one is not finite; it stays in [1, 2^24]. Other
/// types need none.
struct LossScaleSpec {
    double initial = 65536;
    double growth = 2, backoff = 0.5;
    std::int64_t interval = 2000;
    friend bool operator==(const LossScaleSpec&, const LossScaleSpec&) = default;
};

RONDO_API void validate(const OptimizerSpec& spec);
RONDO_API void validate(const ScheduleSpec& spec);
RONDO_API void validate(const ClipSpec& spec);
RONDO_API void validate(const LossScaleSpec& spec);

/// Pure. Throws Error on a schedule that is not valid.
RONDO_API double learning_rate(const ScheduleSpec& spec, std::int64_t step, std::int64_t epoch);

/// The words of the program and of checkpoints: "sgd", "constant", "norm", "mean", ... parse_* throw Error on others.
RONDO_API std::string_view name_of(OptimizerSpec::Rule rule) noexcept;
RONDO_API std::string_view name_of(ScheduleSpec::Kind kind) noexcept;
RONDO_API std::string_view name_of(ClipSpec::Kind kind) noexcept;
RONDO_API std::string_view name_of(Reduction reduction) noexcept;
RONDO_API OptimizerSpec::Rule parse_rule(std::string_view word);
RONDO_API ScheduleSpec::Kind parse_schedule(std::string_view word);
RONDO_API ClipSpec::Kind parse_clip(std::string_view word);
RONDO_API Reduction parse_reduction(std::string_view word);

/// What the last update found and did.
struct UpdateReport {
    double norm = 0;     ///< of all gradients, before clipping and without the loss scale
    bool finite = true;  ///< false: no parameter changed
    bool clipped = false;
    double loss_scale = 1;  ///< that the gradient was made with
};

/// Clips a network's gradients and updates its parameters. Holds the moments: one array for each, laid out as the
/// parameters. Belongs to its network, which must outlive it, and to the network's thread; work is queued on the stream
/// given.
class RONDO_API Optimizer {
public:
    /// Throws Error when a spec is not valid. A network in f16 gets a loss scale, which it keeps; one optimizer at a
    /// time.
    Optimizer(Network& network, OptimizerSpec spec, ClipSpec clip = {}, LossScaleSpec loss_scale = {});
    ~Optimizer();
    Optimizer(Optimizer&&) noexcept;
    Optimizer& operator=(Optimizer&&) noexcept;

    const OptimizerSpec& spec() const noexcept;
    const ClipSpec& clip() const noexcept;

    /// Of the updates from now on; must come before the first.
    void set_learning_rate(double rate, Stream stream);
    /// Measures the gradients, decides, and updates; the gradients are read and not changed. Where they are not finite
    /// nothing is changed and the update does not count. Reads device memory only: it can be captured and replayed (who
    /// replays it calls Network::replayed). Throws Error (state) where no learning rate was set.
    void update(Stream stream);
    /// Of the last update; before the first one all is well and nothing measured. Waits for the stream.
    UpdateReport report(Stream stream) const;
    /// The same in device memory.
    const UpdateFindings* findings() const noexcept;

    /// "optimizer.first.NAME" and "optimizer.second.NAME" for each parameter and moment. Waits for the stream.
    std::vector<HostTensor> read(Stream stream) const;
    /// Updates done, without the skipped, and the loss scale. Waits for the stream.
    UpdateCounts counts(Stream stream) const;
    /// Goes on from there. Throws Error on tensors that are missing or do not fit.
    void write(std::span<const HostTensor> tensors, const UpdateCounts& counts, Stream stream);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// What findings() say, once they are on the host.
inline UpdateReport report_of(const UpdateFindings& f) { return {f.norm, f.finite != 0, f.clipped != 0, f.loss_scale}; }

}  // namespace rondo
