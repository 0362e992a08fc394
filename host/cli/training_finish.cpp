// What a training run evaluates, saves and reports.
#include <fmt/format.h>

#include <cmath>

#include "cli/text_files.hpp"
#include "cli/training_run.hpp"

namespace rondo::cli {

std::optional<Score> TrainingRun::evaluate_split(Split split, TrainingLog& log, Display& display) {
    const auto begin = Clock::now();
    const Score score = task_->evaluate(split, network_, stream_, [&](double fraction) {
        display.show_evaluation(name_of(split), fraction);
        return !signal_.requested();
    });
    if (signal_.requested()) {
        ending_ = Ending::interrupted;
        return std::nullopt;
    }
    evaluation_seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
    const Progress& at = trainer_.progress();
    log.add(EvaluationRow{at.step, at.epoch, seconds(), name_of(split), score.loss(), score.figures});
    std::string line =
        fmt::format("{}: step {} epoch {}  loss {:.4f}", name_of(split), at.step, at.epoch, score.loss());
    for (const Figure& figure : score.figures) line += fmt::format("  {} {:.4f}", figure.name, figure.value);
    display.say(line);
    return score;
}

void TrainingRun::validate_model(TrainingLog& log, Display& display, bool counts) {
    const std::optional<Score> result = evaluate_split(Split::validation, log, display);
    if (!result) return;
    const double loss = result->loss();
    if (counts) memory_.due = 0;
    validated_step_ = trainer_.progress().step;
    const bool better = std::isfinite(loss) && (memory_.best_step < 0 || loss < memory_.best_loss);
    if (better) {
        memory_.best_loss = loss;
        memory_.best_step = validated_step_;
    }
    if (counts) {
        memory_.worse_in_a_row = better ? 0 : memory_.worse_in_a_row + 1;
        if (ending_ == Ending::none) ending_ = check_limits();
    }
    if (better) save(kBestName);
}

void TrainingRun::save(const char* name) {
    RunMemory memory = memory_;
    memory.seconds = seconds();
    save_run(in_folder(config_.out, name), {config_, task_->metadata(), memory, trainer_.save(), {}});
    saved_ = Clock::now();
}

void TrainingRun::finish(TrainingLog& log, const GradientWatch& watch, Display& display) {
    const std::int64_t step = trainer_.progress().step;
    const auto whole = [&] { return ending_ == Ending::limit || ending_ == Ending::patience; };
    if (step > first_step_) save(kLastName);  // first, for what follows takes time and may be interrupted
    // Not what is due in the course of training: going on from here must be as if it had never stopped.
    if (task_->has(Split::validation) && whole() && validated_step_ != step && step > first_step_) {
        validate_model(log, display, false);
        save(kLastName);
    }
    const std::string best = in_folder(config_.out, kBestName);
    if (task_->has(Split::test) && whole()) {
        if (memory_.best_step >= 0) network_.write_parameters(load_run(best).state.tensors, stream_);
        evaluate_split(Split::test, log, display);
    }
    const std::string plot = plot_log(log, config_.out);
    const std::string gradients = watch.finish();

    constexpr const char* kWhy[] = {"", "reached its limit", "validation no longer improves", "interrupted", "gave up"};
    display.say(fmt::format("{}: {} steps, {} epochs in {}", kWhy[static_cast<int>(ending_)], step,
                            trainer_.progress().epoch, duration_text(seconds())));
    fmt::print("checkpoint: {}\n", in_folder(config_.out, kLastName));
    if (memory_.best_step >= 0)
        fmt::print("best: {} (step {}, validation {} {:.3f})\n", best, memory_.best_step,
                   task_->characters_per_target() > 0 ? "perplexity" : "loss",
                   task_->characters_per_target() > 0 ? std::exp(memory_.best_loss) : memory_.best_loss);
    fmt::print("log: {}\nevaluations: {}\n", log.path(), log.evaluations_path());
    fmt::print("plot: {}\n", plot);
    if (!gradients.empty()) fmt::print("gradients: {}\n", gradients);
    if (ending_ == Ending::interrupted) fmt::print("go on with: rondo train --resume {}\n", config_.out);
}

}  // namespace rondo::cli
