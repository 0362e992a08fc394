#pragma once
/// The training loop's step, and evaluation.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rondo/network.hpp"
#include "rondo/optimizer.hpp"
#include "rondo/text.hpp"

namespace rondo {

struct TrainerSpec {
    OptimizerSpec optimizer{};
    ScheduleSpec schedule{};
    ClipSpec clip{};
    LossScaleSpec loss_scale{};  ///< networks in f16
    Reduction reduction = Reduction::mean;
    /// Truncated BPTT (k1, k2): every `window` steps the last `history` steps are recomputed with the present weights
    /// from the state kept at their start, the losses of the newest `window` steps are taken, and gradients flow
    /// through all `history` of them. history 0 means history = window, the usual case; otherwise >= window.
    std::int64_t window = 35;
    std::int64_t history = 0;
    std::uint64_t seed = 1;         ///< of dropout
    std::int64_t max_skipped = 10;  ///< consecutive steps without a finite gradient before training is given up
    friend bool operator==(const TrainerSpec&, const TrainerSpec&) = default;
};

/// Throws Error naming the first field that is not allowed.
RONDO_API void validate(const TrainerSpec& spec);
/// "trainer.window" = "35" and so on; the inverse throws Error on a missing or malformed entry.
RONDO_API Metadata to_metadata(const TrainerSpec& spec);
RONDO_API TrainerSpec trainer_spec_from(const Metadata& metadata);

/// What one step did.
struct StepMetrics {
    std::int64_t step = 0;     ///< from 0
    std::int64_t epoch = 0;    ///< from 0
    double loss = 0;           ///< reduced
    double loss_sum = 0;       ///< in nats (squared error: its sum)
    std::int64_t tokens = 0;   ///< targets (squared error: elements) it is over
    double gradient_norm = 0;  ///< before clipping, without the loss scale
    double learning_rate = 0;
    double loss_scale = 1;  ///< 1 but in f16
    bool clipped = false;
    bool skipped = false;    ///< the gradient was not finite: no parameter changed
    bool epoch_end = false;  ///< this was the last window of the streams
};

/// Where training stands.
struct Progress {
    std::int64_t step = 0;     ///< steps done, skipped ones included
    std::int64_t epoch = 0;    ///< epochs done
    std::int64_t window = 0;   ///< windows of this epoch done: the position in the data
    std::int64_t skipped = 0;  ///< in all
    std::int64_t skipped_in_a_row = 0;
};

/// All that is needed to go on exactly as if training had not stopped: parameters, moments, carried state, counters.
/// `metadata` holds "progress.*" and the TrainerSpec's.
struct TrainingState {
    std::vector<HostTensor> tensors;
    Metadata metadata;
};

/// Trains a network. A step is four verbs: forward, loss, backward, update (which clips).
/// Belongs to its network, which must outlive it, and to the network's thread; all work is queued on the one stream
/// given. On a stream that can be recorded (any but CUDA's legacy default stream; DeviceStream makes one) a step whose
/// extents have been seen before is a replay of a recording. A step needs nothing from the host but its inputs: queue()
/// prepares the next one while the device works, and the metrics come a step later.
///
/// After a step whose loss was not finite the carried state is zero.
class RONDO_API Trainer {
public:
    /// Throws Error when the spec is not valid.
    Trainer(Network& network, TrainerSpec spec, Stream stream);
    ~Trainer();
    Trainer(Trainer&&) noexcept;
    Trainer& operator=(Trainer&&) noexcept;

    const TrainerSpec& spec() const noexcept;
    const Progress& progress() const noexcept;
    /// The learning rate of the next step.
    double learning_rate() const;

    /// One step on whole sequences that have nothing to do with what came before: initial states are zero.
    /// Throws Error when spec().max_skipped steps in a row had no finite gradient.
    StepMetrics step(std::span<const Sequence> inputs);

    /// One step on the next window of the streams, whose state is carried from window to window and is zero at the
    /// start of an epoch. The network's inputs must be (tokens, targets), both i32. All calls of an epoch must be given
    /// the same streams.
    StepMetrics step(const TokenStreams& streams);

    /// Queues such a step, and returns the metrics of the one before it: none for the first, or where finish() took
    /// them. A device that runs everything at once returns those of this very step.
    std::optional<StepMetrics> queue(const TokenStreams& streams);
    /// The same on whole sequences, as step() on them.
    std::optional<StepMetrics> queue(std::span<const Sequence> inputs);
    /// Waits for the step that was queued last and returns its metrics, once. Like queue() it throws Error when
    /// spec().max_skipped steps in a row had no finite gradient.
    std::optional<StepMetrics> finish();

    /// Truncated BPTT over long sequences, state zero at their start: one step for each window, reported to `each`
    /// when that is not null. All inputs have the same T. Returns the last step's metrics.
    StepMetrics sequence(std::span<const Sequence> inputs, const std::function<void(const StepMetrics&)>& each);

    /// On a GPU a step is replayed where its extents are among so many used last.
    static constexpr int kRecordings = 16;
    /// How often extents made room for others; where this number keeps growing, batches come in more extents than that and
    /// steps run unrecorded: pad them to fewer.
    std::int64_t dropped_recordings() const noexcept;

    /// For loops that feed batches themselves: counts an epoch and lets the schedule know.
    void next_epoch();

    /// Waits for the stream. The spec in the metadata is this trainer's.
    TrainingState save() const;
    /// Goes on from there. The spec stays this trainer's own; a trainer with the saved spec continues bit by bit.
    /// Throws Error on tensors that are missing or do not fit.
    void restore(const TrainingState& state);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The loss over all of the streams.
struct Evaluation {
    double loss_sum = 0;  ///< nats
    std::int64_t tokens = 0;
    double loss() const { return loss_sum / static_cast<double>(tokens); }  ///< nats a token
    double perplexity() const;                                              ///< e^loss
    double bits() const;                                                    ///< a token
};

/// Runs the network over the streams in windows of `window` steps, state carried and zero at the start, without
/// dropout. The result does not depend on `window` beyond rounding. go_on is asked after every window with the fraction
/// that was read; where it says no, the result is that of what was read. Throws Error on a network whose inputs are not
/// (tokens, targets).
RONDO_API Evaluation evaluate(Network& network, const TokenStreams& streams, std::int64_t window, Stream stream,
                              const std::function<bool(double fraction)>& go_on = {});

}  // namespace rondo
