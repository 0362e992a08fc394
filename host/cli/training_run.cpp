#include "cli/training_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/model_config.hpp"
#include "cli/stack_words.hpp"

namespace rondo::cli {

namespace fs = std::filesystem;

TrainingRun::TrainingRun(const TrainConfig& config, const std::optional<SavedRun>& resumed)
    : config_(config),
      resumed_from_(resumed ? resumed->folder : ""),
      memory_(resumed ? resumed->memory : RunMemory{}),
      task_(make_task(config, resumed ? &*resumed : nullptr)),
      network_(open_device(config.device, config.threads), task_->network()),
      stream_(network_.device()),
      trainer_(network_, trainer_of(config), stream_) {
    memory_.text_hash = task_->hash();
    if (resumed)
        trainer_.restore(resumed->state);
    else
        network_.initialise(init_of(config), stream_);
    first_step_ = trainer_.progress().step;
}

/// Whether the folder is new to the run. One that goes on elsewhere takes its best model and its logs with it.
bool TrainingRun::prepare_folder() {
    std::error_code error;
    const fs::path folder(config_.out), from(resumed_from_);
    fs::create_directories(folder, error);
    if (error || !fs::is_directory(folder)) refuse("out", config_.out, "must be a folder, or one that can be made");
    if (!resumed_from_.empty() && fs::equivalent(folder, from, error)) return false;
    for (const char* name : {kLastName, kBestName, kLogName, kEvaluationsName, kGradientsName, kGatesName, kWeightsName,
                             kGradientPageName}) {
        const fs::path old = folder / name;
        if (!fs::exists(old)) continue;
        require(config_.overwrite, "out", config_.out,
                "holds a run already: take --resume, --overwrite or another folder");
        fs::remove(old);
    }
    if (resumed_from_.empty()) return true;
    for (const char* name : {kBestName, kLogName, kEvaluationsName, kGradientsName, kGatesName, kWeightsName})
        if (fs::exists(from / name)) fs::copy_file(from / name, folder / name);
    if (!fs::exists(folder / kBestName)) memory_.best_step = -1;
    return true;
}

void TrainingRun::run() {
    const bool anew = prepare_folder();
    start_ = saved_ = Clock::now();
    TrainingLog log(config_.out, first_step_, task_->characters_per_target());
    GradientWatch watch(config_.out, config_.gradient_flow, first_step_);
    Display display;
    display.say(fmt::format("{} on {}: {} parameters, {}", resumed_from_.empty() ? "training" : "going on",
                            network_.device().description(), network_.trainable_count(), task_->summary()));
    ending_ = check_limits();
    if (ending_ == Ending::none) {
        if (anew) save(kLastName);  // what cannot be saved is known before the first step, not after the last
        train(log, watch, display);
    }
    finish(log, watch, display);
    if (ending_ == Ending::gave_up) throw Error(ErrorCode::state, trouble_);
}

/// Once, where the device hardly ever sees a step's extents again before it has dropped its recording of them.
void TrainingRun::warn_of_recordings(Display& display) {
    constexpr std::int64_t kMany = 64;
    if (warned_of_recordings_ || trainer_.dropped_recordings() < kMany) return;
    warned_of_recordings_ = true;
    display.say(
        fmt::format("warning: windows come in more extents than the {} steps that are kept recorded; most steps "
                    "run slower, unrecorded (a history of fewer windows has fewer extents)",
                    Trainer::kRecordings));
}

void TrainingRun::train(TrainingLog& log, GradientWatch& watch, Display& display) {
    Interval current, shown;
    const auto take = [&](const std::optional<StepMetrics>& step) {
        if (!step) return;
        tokens_ += step->tokens;
        current.add(*step);
        warn_of_recordings(display);
        display.show(standing(), shown.tokens > 0 ? shown : current, task_->characters_per_target());
        if ((step->step + 1) % config_.log_every != 0) return;
        log.add(*step, current, seconds());
        shown = std::exchange(current, {});
    };
    if (memory_.due != 0) validate_model(log, display, true);
    while (ending_ == Ending::none) {
        bool due = false, save_now = false;
        try {
            const bool looks = watch.due(trainer_.progress().step);
            network_.observe_gradients(looks);
            take(task_->queue(trainer_));
            const Progress& at = trainer_.progress();
            if (looks) {
                take(trainer_.finish());
                watch.look(at.step, network_.gradient_flow(stream_), display);
            }
            due = config_.evaluate_every > 0 ? at.step % config_.evaluate_every == 0
                                             : at.step % task_->steps_an_epoch() == 0;
            save_now = due || (config_.save_minutes > 0 &&
                               Clock::now() - saved_ > std::chrono::duration<double>(60 * config_.save_minutes));
            ending_ = signal_.requested() ? Ending::interrupted : check_limits();
            if (save_now || ending_ != Ending::none) take(trainer_.finish());
        } catch (const Error& error) {
            if (error.code() != ErrorCode::state) throw;
            trouble_ = error.what();
            StepMetrics step;
            step.skipped = true;
            current.add(step);
            ending_ = Ending::gave_up;
            break;
        }
        if (due && task_->has(Split::validation)) memory_.due = 1;
        if (ending_ != Ending::interrupted && memory_.due != 0) validate_model(log, display, true);
        if (save_now) save(kLastName);
    }
    if (current.steps > 0) {
        // The rest of an interval, so that the log reaches the end; steps are counted from 0.
        StepMetrics last;
        last.step = trainer_.progress().step - 1;
        last.epoch = trainer_.progress().epoch;
        last.learning_rate = trainer_.learning_rate();
        log.add(last, current, seconds());
    }
}

TrainingRun::Ending TrainingRun::check_limits() const {
    const Progress& at = trainer_.progress();
    const double minutes = std::chrono::duration<double>(Clock::now() - start_).count() / 60;
    const bool over = (config_.steps > 0 && at.step >= config_.steps) ||
                      (config_.epochs > 0 && at.epoch >= config_.epochs) ||
                      (config_.minutes > 0 && minutes >= config_.minutes);
    const bool impatient = config_.patience > 0 && memory_.worse_in_a_row >= config_.patience;
    return over ? Ending::limit : impatient ? Ending::patience : Ending::none;
}

double TrainingRun::seconds() const {
    return memory_.seconds + std::chrono::duration<double>(Clock::now() - start_).count();
}

Standing TrainingRun::standing() const {
    const Progress& at = trainer_.progress();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    const auto windows = static_cast<double>(task_->steps_an_epoch());
    // Done and asked for since this start, by each limit; the nearest one counts.
    double fraction = 0;
    if (config_.steps > first_step_)
        fraction = static_cast<double>(at.step - first_step_) / static_cast<double>(config_.steps - first_step_);
    if (config_.epochs > 0) {
        const double all = static_cast<double>(config_.epochs) * windows, first = static_cast<double>(first_step_);
        if (all > first) fraction = std::max(fraction, (static_cast<double>(at.step) - first) / (all - first));
    }
    if (config_.minutes > 0) fraction = std::max(fraction, elapsed / 60 / config_.minutes);
    fraction = std::clamp(fraction, 0.0, 1.0);
    return {.step = at.step,
            .epoch = at.epoch,
            .epochs = config_.epochs,
            .skipped = at.skipped,
            .fraction = fraction,
            .tokens_per_second = static_cast<double>(tokens_) / std::max(1e-9, elapsed - evaluation_seconds_),
            .seconds_left = fraction > 0 ? elapsed * (1 - fraction) / fraction : 0};
}

}  // namespace rondo::cli
