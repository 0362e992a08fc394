// rondo gradflow: pictures of how gradients flow through a model, or through cells side by side.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "cli/gradient_compare.hpp"
#include "cli/gradient_report.hpp"
#include "cli/gradient_words.hpp"
#include "cli/model_config.hpp"
#include "cli/model_file.hpp"
#include "cli/program.hpp"
#include "cli/stack_words.hpp"
#include "cli/tasks/task.hpp"
#include "cli/text_files.hpp"

namespace rondo::cli {
namespace {

struct GradflowOptions {
    std::string checkpoint, text, out = "rondo-gradients", device = "auto";
    std::int64_t batches = 4, threads = 0, cost = 0;
    bool compare = false;
    CompareOptions comparison;
};

void make_folder(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error || !std::filesystem::is_directory(folder))
        refuse("out", folder, "must be a folder, or one that can be made");
}

/// Training steps that change nothing.
class StandingTrainer {
public:
    StandingTrainer(const SavedRun& run, const GradflowOptions& options)
        : task_(restore_task(run, options.text)),
          network_(load_network(run, open_device(options.device, options.threads))),
          stream_(network_.device()),
          trainer_(network_, standing(trainer_of(run.config)), stream_) {}

    GradientFlow observe() {
        step(true);
        return network_.gradient_flow(stream_);
    }
    /// Seconds.
    double step(bool observed) {
        const auto start = std::chrono::steady_clock::now();
        network_.observe_gradients(observed);
        task_->queue(trainer_);
        trainer_.finish();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

private:
    static TrainerSpec standing(TrainerSpec spec) {
        spec.optimizer = {};
        spec.schedule = {.rate = 0};
        spec.clip = {};
        return spec;
    }

    std::unique_ptr<Task> task_;
    Network network_;
    DeviceStream stream_;
    Trainer trainer_;
};

void tell_cost(StandingTrainer& trainer, std::int64_t pairs) {
    std::vector<double> ratios;
    double plain = 0;
    for (std::int64_t i = -2; i < pairs; ++i) {  // the first two make plans
        const bool first = i % 2 == 0;           // by turns
        const double a = trainer.step(first), b = trainer.step(!first);
        if (i < 0) continue;
        ratios.push_back(first ? a / b : b / a);
        plain += first ? b : a;
    }
    std::sort(ratios.begin(), ratios.end());
    fmt::print(
        "cost: an observed step takes {:.3f} times as long as another (median of {} pairs, quartiles {:.3f} and "
        "{:.3f}; a step {:.2f} ms)\n",
        ratios[ratios.size() / 2], pairs, ratios[ratios.size() / 4], ratios[ratios.size() * 3 / 4],
        1000 * plain / static_cast<double>(pairs));
}

void look_at_model(const GradflowOptions& options) {
    require(!options.checkpoint.empty() && !options.text.empty(), "checkpoint and text", "not given",
            "are needed, unless cells are compared (--compare)");
    require(options.batches >= 1, "batches", options.batches, "must be at least 1");
    require(options.cost >= 0, "cost", options.cost, "must be a number of pairs of steps, or 0 for none");
    const SavedRun run = load_run(options.checkpoint);
    StandingTrainer trainer(run, options);
    std::vector<GradientFlow> flows;
    for (std::int64_t i = 0; i < options.batches; ++i) flows.push_back(trainer.observe());
    const ObservedStep seen_step{0, mean_of(flows)};
    make_folder(options.out);
    GradientLog(options.out, 0, GradientLog::Gates::every_step).add(seen_step);
    const std::string page = in_folder(options.out, kGradientPageName);
    write_text_file(page, gradient_page("Gradients of " + options.checkpoint + " on " + options.text, {seen_step}));
    const std::vector<GradientTrouble> troubles = diagnose(seen_step.flow);
    for (const GradientTrouble& trouble : troubles) fmt::print("warning: {}; {}\n", seen(trouble), advice(trouble));
    if (troubles.empty()) fmt::print("no gradient vanishes or explodes, and no gate is saturated\n");
    if (options.cost > 0) tell_cost(trainer, options.cost);
    fmt::print("page: {}\n", page);
    for (const char* name : {kGradientsName, kGatesName, kWeightsName})
        fmt::print("csv: {}\n", in_folder(options.out, name));
}

void compare(const GradflowOptions& options) {
    require(options.comparison.hidden >= 2, "hidden", options.comparison.hidden, "must be at least 2");
    require(options.comparison.batch >= 1, "batch", options.comparison.batch, "must be at least 1");
    require(!options.comparison.steps.empty(), "steps", "[]", "must name at least one length");
    for (const std::int64_t steps : options.comparison.steps) require(steps >= 2, "steps", steps, "must be at least 2");
    const Comparison result = compare_gradients(options.comparison, open_device(options.device, options.threads));
    make_folder(options.out);
    fmt::print("{}", result.summary);
    for (const auto& [name, text] : {std::pair<const char*, const std::string*>{"comparison.html", &result.page},
                                     {"ways.csv", &result.ways},
                                     {"truncation.csv", &result.biases}}) {
        write_text_file(in_folder(options.out, name), *text);
        fmt::print("wrote: {}\n", in_folder(options.out, name));
    }
}

}  // namespace

void add_gradflow(CLI::App& program) {
    CLI::App* command = program.add_subcommand(
        "gradflow", "Draw how gradients flow through a trained model, or through cells side by side");
    const auto options = std::make_shared<GradflowOptions>();
    command->add_option("--checkpoint", options->checkpoint, "file, or folder of a run: its best model");
    command->add_option("--text", options->text, "file like those it was trained on");
    command->add_option("--batches", options->batches, "to look at, without changing the model [4]");
    command->add_option("--cost", options->cost,
                        "so many pairs of steps, one observed and one not, are timed by turns [0]");
    command->add_flag(
        "--compare", options->compare,
        "no model: vanilla, LSTM and GRU cells, with and without clipping, and truncated backpropagation");
    command->add_option("--steps", options->comparison.steps, "of the comparison: sequence lengths [10 50 200]");
    command->add_option("--hidden", options->comparison.hidden, "of the comparison: units [64]");
    command->add_option("--batch", options->comparison.batch, "of the comparison: rows [16]");
    command->add_option("--seed", options->comparison.seed, "of the comparison's weights and data [1]");
    command->add_option("--out", options->out, "folder for the page and the CSV files [rondo-gradients]");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->callback([options] { options->compare ? compare(*options) : look_at_model(*options); });
}

}  // namespace rondo::cli
