#pragma once
/// What a Trainer holds, and batches cut along time.
#include <optional>

#include "model/readback.hpp"
#include "rondo/trainer.hpp"
#include "scheduler/windows.hpp"
#include "train/step_recordings.hpp"

namespace rondo {

/// A step that was queued; what it found is on its way to the host.
struct QueuedStep {
    QueuedStep(Network& network)
        : sums(network.device(), static_cast<std::size_t>(network.loss_sums().shape[0])),
          findings(network.device(), 1),
          weights(static_cast<std::size_t>(network.loss_sums().shape[0])) {}

    /// Waits for it.
    StepMetrics read();

    bool waiting = false;  ///< nobody has been told of it yet
    StepMetrics metrics;   ///< what the host knows
    model::Readback<double> sums;
    model::Readback<UpdateFindings> findings;
    std::vector<double> weights;
};

struct Trainer::Impl {
    Impl(Network& trained, const TrainerSpec& how, Stream on);

    Network& network;
    TrainerSpec spec;
    Stream stream;
    Optimizer optimizer;
    Progress progress;
    std::optional<NetworkState> state;  ///< to begin the next window with; none: zero
    std::vector<Window> windows;
    std::int64_t windows_steps = 0;  ///< what `windows` were made for
    train::StepRecordings recordings;
    QueuedStep queued[2];  ///< in turn
    int last = 0;          ///< the one queued last

    void queue(std::span<const Sequence> inputs, std::int64_t loss_begin, std::int64_t keep);
    void run(const NetworkState* from, std::int64_t keep);
    void queue_window(std::span<const Sequence> inputs, std::size_t w);
    void queue(const TokenStreams& streams);
    std::optional<StepMetrics> deliver(QueuedStep& step);
    std::optional<StepMetrics> deliver_ready();
    static void count(const StepMetrics& metrics, Progress& progress);
    void begin_state(std::int64_t batch);
    const std::vector<Window>& windows_of(std::int64_t steps);
};

namespace train {

/// Throws Error unless the inputs are (tokens, targets), both ids.
void require_language_model(const Network& network);

/// Inputs that share their steps, and views of a range of them. Rows with lengths of their own are cut likewise.
class LongBatch {
public:
    /// Throws Error on an input without steps, or with another number of them.
    LongBatch(const NetworkSpec& spec, std::span<const Sequence> inputs);

    std::int64_t steps() const noexcept { return steps_; }
    std::int64_t rows() const noexcept { return rows_; }
    /// Valid until the next call.
    std::span<const Sequence> slice(std::int64_t begin, std::int64_t end) const;

private:
    std::span<const Sequence> inputs_;
    std::int64_t steps_ = 0, rows_ = 0;
    mutable std::vector<Sequence> slices_;
    mutable std::vector<std::vector<std::int64_t>> lengths_;
};

}  // namespace train
}  // namespace rondo
