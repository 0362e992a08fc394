// rondo generate: text from a checkpoint, as it comes.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

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
    std::string checkpoint, prompt, device = "auto", timing;
    std::int64_t length = 500, texts = 1, threads = 0;
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

/// Draws tokens some at a time: as many as come in a blink, so that on a fast device the host is out of the way, and a
/// reader of one text does not wait.
class Writer {
public:
    Writer(Generator& generator, std::int64_t length) : generator_(generator), left_(length) {}

    std::int64_t left() const { return left_; }
    std::vector<std::int32_t> next() {
        const std::int64_t count = std::min(count_, left_);
        const auto began = std::chrono::steady_clock::now();
        std::vector<std::int32_t> ids = generator_.next(count);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        timing_.push_back({{"tokens", count}, {"seconds", seconds}});
        constexpr double kBlink = 0.02;
        count_ = seconds < kBlink ? 2 * count_ : std::max<std::int64_t>(1, count_ / 2);
        left_ -= count;
        return ids;
    }
    const nlohmann::ordered_json& timing() const { return timing_; }

private:
    Generator& generator_;
    std::int64_t left_, count_ = 1;
    nlohmann::ordered_json timing_ = nlohmann::ordered_json::array();
};

/// One text as it comes; of several each when all are there.
void write_texts(Writer& writer, const Tokenizer& tokenizer, const GenerateOptions& options) {
    const StopSignal signal;
    const auto texts = static_cast<std::size_t>(options.texts);
    std::vector<TextStream> streams(texts, TextStream(tokenizer, options.prompt));
    std::vector<std::string> whole(texts, options.prompt);
    const auto give = [&](std::size_t text, const std::string& piece) {
        if (texts == 1)
            write(piece);
        else
            whole[text] += piece;
    };
    if (texts == 1) write(options.prompt);
    while (writer.left() > 0 && !signal.requested()) {
        const std::vector<std::int32_t> ids = writer.next();
        for (std::size_t i = 0; i < ids.size(); ++i) give(i % texts, streams[i % texts].put(ids[i]));
    }
    for (std::size_t text = 0; text < texts; ++text) give(text, streams[text].finish() + "\n");
    for (std::size_t text = 0; texts > 1 && text < texts; ++text)
        write(fmt::format("---- {} of {}\n{}", text + 1, texts, whole[text]));
}

void generate(GenerateOptions& options) {
    require(options.length >= 1, "length", options.length, "must be at least 1");
    require(options.texts >= 1, "texts", options.texts, "must be at least 1");
    require(options.seed >= 0, "seed", options.seed, "must not be negative");
    options.sampling.seed = static_cast<std::uint64_t>(options.seed);
    validate(options.sampling);
    SavedRun run = load_run(options.checkpoint);
    run.config.softmax = "full";  // a sampled one has no logits to draw from, but the same parameters
    run.config.samples = 0;
    const Tokenizer tokenizer = language_tokenizer(run);
    const bool recurrent = run.config.model == "rnn";
    const Device device = open_device(options.device, options.threads);
    Network network = load_network(run, device, recurrent ? 0 : run.config.window);
    const DeviceStream stream(device);  // on which tokens can be recorded
    Generator generator(network, options.sampling, stream, recurrent ? "logits" : "output",
                        recurrent ? 0 : run.config.window, options.texts);
    std::vector<std::int32_t> prompt;
    for (const std::int32_t id : first_tokens(tokenizer, options.prompt))
        prompt.insert(prompt.end(), static_cast<std::size_t>(options.texts), id);
    generator.feed(prompt);
    Writer writer(generator, options.length);
    write_texts(writer, tokenizer, options);
    if (!options.timing.empty()) write_text_file(options.timing, writer.timing().dump(1) + "\n");
}

}  // namespace

void add_generate(CLI::App& program) {
    CLI::App* command = program.add_subcommand("generate", "Write text with a trained model");
    const auto options = std::make_shared<GenerateOptions>();
    command->add_option("--checkpoint", options->checkpoint, "file, or folder of a run: its best model")->required();
    command->add_option("--prompt", options->prompt, "what the text begins with");
    command->add_option("--length", options->length, "tokens to write [500]");
    command->add_option("--texts", options->texts, "that are written beside each other, each by draws of its own [1]");
    command->add_option("--temperature", options->sampling.temperature,
                        "1: as trained; lower: safer; 0: the likeliest");
    command->add_option("--top-k", options->sampling.top_k, "draw from the k likeliest; 0 for all");
    command->add_option("--top-p", options->sampling.top_p, "draw from the likeliest that reach this probability");
    command->add_option("--seed", options->seed, "the same seed writes the same text");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->add_option("--timing", options->timing, "JSON file: how long tokens took, some at a time");
    command->callback([options] { generate(*options); });
}

}  // namespace rondo::cli
