#pragma once
/// What a Trainer holds, and batches cut along time.
#include <optional>

#include "rondo/trainer.hpp"
#include "scheduler/windows.hpp"

namespace rondo {

struct Trainer::Impl {
    Network& network;
    TrainerSpec spec;
    Stream stream;
    Optimizer optimizer;
    GradientClipper clipper;
    Progress progress;
    std::optional<NetworkState> state;  ///< to begin the next window with; none: zero
    std::vector<Window> windows;
    std::int64_t windows_steps = 0;  ///< what `windows` were made for

    StepMetrics step(std::span<const Sequence> inputs, std::int64_t loss_begin, std::int64_t keep);
    StepMetrics window_step(std::span<const Sequence> inputs, std::size_t w);
    void count_skips(bool finite);
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
