// rondo eval: how well a checkpoint does on a file.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/display.hpp"
#include "cli/model_file.hpp"
#include "cli/program.hpp"
#include "cli/stack_words.hpp"
#include "cli/tasks/task.hpp"

namespace rondo::cli {
namespace {

struct EvalOptions {
    std::string checkpoint, text, device = "auto";
    std::int64_t batch = 0, window = 0, threads = 0;
};

void evaluate_text(const EvalOptions& options) {
    require(options.batch >= 0, "batch", options.batch, "must be a number, or 0 to choose one");
    require(options.window >= 0, "window", options.window, "must be a number of steps, or 0 for that of training");
    SavedRun run = load_run(options.checkpoint);
    require(options.window == 0 || run.config.task == "lm", "window", options.window, "is for task lm");
    require(options.batch == 0 || run.config.task != "forecast", "batch", options.batch, "is for other tasks");
    run.config.evaluation_batch = options.batch;
    if (options.window > 0) run.config.window = options.window;
    const std::unique_ptr<Task> task = restore_task(run);
    Network network = load_network(run, open_device(options.device, options.threads));
    Display display;
    const Score score = task->evaluate_file(options.text, network, {}, [&](double fraction) {
        display.show_evaluation("reading", fraction);
        return true;
    });
    display.clear();
    fmt::print("{}: {}\nloss: {:.6f}\n", run.config.task == "lm" ? "tokens" : "targets", score.count, score.loss());
    for (const Figure& figure : score.figures) fmt::print("{}: {:.6g}\n", figure.name, figure.value);
}

}  // namespace

void add_eval(CLI::App& program) {
    CLI::App* command = program.add_subcommand("eval", "Measure a trained model on a file");
    const auto options = std::make_shared<EvalOptions>();
    command->add_option("--checkpoint", options->checkpoint, "file, or folder of a run: its best model")->required();
    command->add_option("--text", options->text, "file like those it was trained on")->required();
    command->add_option(
        "--batch", options->batch,
        "lm: streams the text is cut into; 1 reads it as one, 0 takes one for every 1000 tokens, at most 32. Others: "
        "examples at a time; 0 as in training");
    command->add_option("--window", options->window,
                        "lm: steps at a time; changes speed and memory only; 0: as in training");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->callback([options] { evaluate_text(*options); });
}

}  // namespace rondo::cli
