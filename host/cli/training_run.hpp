#pragma once
/// The loop of `rondo train`: steps, evaluations, checkpoints, logs, and when to stop.
#include <chrono>
#include <optional>

#include "cli/display.hpp"
#include "cli/gradient_watch.hpp"
#include "cli/model_file.hpp"
#include "cli/stop_signal.hpp"
#include "cli/tasks/task.hpp"
#include "cli/training_log.hpp"

namespace rondo::cli {

class TrainingRun {
public:
    /// Checks everything that can be checked; nothing is written yet. resumed: the checkpoint to go on from.
    TrainingRun(const TrainConfig& config, const std::optional<SavedRun>& resumed);

    /// Trains until a limit, the end of patience or a signal, and reports on stdout. Throws Error (state) when training
    /// gave up, with everything saved.
    void run();

private:
    using Clock = std::chrono::steady_clock;
    enum class Ending { none, limit, patience, interrupted, gave_up };

    bool prepare_folder();
    void train(TrainingLog& log, GradientWatch& watch, Display& display);
    void warn_of_recordings(Display& display);
    Ending check_limits() const;
    Standing standing() const;
    double seconds() const;  ///< of all starts together

    /// Nothing where it was interrupted.
    std::optional<Score> evaluate_split(Split split, TrainingLog& log, Display& display);
    /// counts: this evaluation was due, and patience may end with it.
    void validate_model(TrainingLog& log, Display& display, bool counts);
    void save(const char* name);
    void finish(TrainingLog& log, const GradientWatch& watch, Display& display);

    TrainConfig config_;
    std::string resumed_from_;  ///< folder of the checkpoint; empty for a new run
    RunMemory memory_;          ///< seconds: of the starts before this one
    std::unique_ptr<Task> task_;
    Network network_;
    DeviceStream stream_;
    Trainer trainer_;

    const StopSignal signal_;
    Ending ending_ = Ending::none;
    bool warned_of_recordings_ = false;
    std::string trouble_;  ///< why training gave up
    std::int64_t first_step_ = 0, tokens_ = 0, validated_step_ = -1;
    double evaluation_seconds_ = 0;
    Clock::time_point start_, saved_;
};

}  // namespace rondo::cli
