// rondo generate: text from a checkpoint, as it comes.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/model_file.hpp"
#include "cli/program.hpp"
#include "cli/stack_words.hpp"
#include "cli/stop_signal.hpp"
#include "cli/text_files.hpp"
#include "cli/text_stream.hpp"
#include "rondo/generator.hpp"

namespace rondo::cli {
namespace {

struct GenerateOptions {
    std::string checkpoint, prompt, device = "auto";
    std::int64_t length = 500, threads = 0;
    std::int64_t seed = 0;
    SamplingSpec sampling;
};

void write(const std::string& piece) {
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    if (std::fflush(stdout) != 0) throw Error(ErrorCode::io, "stdout = closed: must be writable");
}

/// The prompt's tokens; where there are none, what a line begins after.
std::vector<std::int32_t> first_tokens(const Tokenizer& tokenizer, const std::string& prompt) {
    Tokens tokens = tokenize(tokenizer, prompt);
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    // A prompt of words is the beginning of a line, not a whole one.
    if (tokenizer.ends_lines() && !tokens.ids.empty() && !prompt.ends_with('\n') &&
        tokens.ids.back() == vocabulary.end_of_line())
        tokens.ids.pop_back();
    if (tokens.unknown > 0)
        fmt::print(stderr, "rondo: {} of the prompt's {} tokens are unknown to the model\n", tokens.unknown,
                   tokens.ids.size());
    if (tokens.ids.empty())
        tokens.ids = {vocabulary.kind() == Vocabulary::Kind::bytes ? '\n' : std::max(vocabulary.end_of_line(), 0)};
    return tokens.ids;
}

void generate(GenerateOptions& options) {
    require(options.length >= 1, "length", options.length, "must be at least 1");
    require(options.seed >= 0, "seed", options.seed, "must not be negative");
    options.sampling.seed = static_cast<std::uint64_t>(options.seed);
    validate(options.sampling);
    SavedRun run = load_run(options.checkpoint);
    run.config.softmax = "full";  // a sampled one has no logits to draw from, but the same parameters
    run.config.samples = 0;
    const Tokenizer tokenizer = language_tokenizer(run);
    const bool recurrent = run.config.model == "rnn";
    Network network =
        load_network(run, open_device(options.device, options.threads), recurrent ? 0 : run.config.window);
    Generator generator(network, options.sampling, {}, recurrent ? "logits" : "output",
                        recurrent ? 0 : run.config.window);
    generator.feed(first_tokens(tokenizer, options.prompt));

    const StopSignal signal;
    TextStream stream(tokenizer, options.prompt);
    write(options.prompt);
    for (std::int64_t i = 0; i < options.length && !signal.requested(); ++i) write(stream.put(generator.next()));
    write(stream.finish() + "\n");
}

}  // namespace

void add_generate(CLI::App& program) {
    CLI::App* command = program.add_subcommand("generate", "Write text with a trained model");
    const auto options = std::make_shared<GenerateOptions>();
    command->add_option("--checkpoint", options->checkpoint, "file, or folder of a run: its best model")->required();
    command->add_option("--prompt", options->prompt, "what the text begins with");
    command->add_option("--length", options->length, "tokens to write [500]");
    command->add_option("--temperature", options->sampling.temperature,
                        "1: as trained; lower: safer; 0: the likeliest");
    command->add_option("--top-k", options->sampling.top_k, "draw from the k likeliest; 0 for all");
    command->add_option("--top-p", options->sampling.top_p, "draw from the likeliest that reach this probability");
    command->add_option("--seed", options->seed, "the same seed writes the same text");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->callback([options] { generate(*options); });
}

}  // namespace rondo::cli
