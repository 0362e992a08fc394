// rondo eval: how well a checkpoint predicts a text.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/display.hpp"
#include "cli/model_file.hpp"
#include "cli/program.hpp"
#include "cli/stack_words.hpp"
#include "cli/text_files.hpp"

namespace rondo::cli {
namespace {

struct EvalOptions {
    std::string checkpoint, text, device = "auto";
    std::int64_t batch = 0, window = 0, threads = 0;
};

void evaluate_text(const EvalOptions& options) {
    require(options.batch >= 0, "batch", options.batch, "must be a number, or 0 to choose one");
    require(options.window >= 0, "window", options.window, "must be a number of steps, or 0 for that of training");
    const SavedRun run = load_run(options.checkpoint);
    const Tokens tokens = tokenize(run.vocabulary, read_text_file("text", options.text));
    const TokenStreams streams = evaluation_streams_of("text", tokens, options.batch);
    Network network = load_network(run, open_device(options.device, options.threads));
    Display display;
    const Evaluation result =
        evaluate(network, streams, options.window > 0 ? options.window : run.config.window, {}, [&](double fraction) {
            display.show_evaluation("reading", fraction);
            return true;
        });
    display.clear();
    fmt::print(
        "tokens: {}\nunknown: {}\nloss: {:.6f}\nperplexity: {:.4f}\nbits_per_token: {:.5f}\nbits_per_character: "
        "{:.5f}\n",
        result.tokens, tokens.unknown, result.loss(), result.perplexity(), result.bits(),
        result.bits() / tokens.characters_per_token());
}

}  // namespace

void add_eval(CLI::App& program) {
    CLI::App* command = program.add_subcommand("eval", "Measure a trained model's perplexity on a text");
    const auto options = std::make_shared<EvalOptions>();
    command->add_option("--checkpoint", options->checkpoint, "file, or folder of a run: its best model")->required();
    command->add_option("--text", options->text, "text file")->required();
    command->add_option(
        "--batch", options->batch,
        "streams the text is cut into; 1 reads it as one, 0 takes one for every 1000 tokens, at most 32");
    command->add_option("--window", options->window,
                        "steps at a time; changes speed and memory only; 0: as in training");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->callback([options] { evaluate_text(*options); });
}

}  // namespace rondo::cli
