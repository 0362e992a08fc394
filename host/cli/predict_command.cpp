// rondo predict and translate: what a trained model makes of each line.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/program.hpp"
#include "cli/stack_words.hpp"
#include "cli/tasks/pair_task.hpp"
#include "cli/text_files.hpp"

namespace rondo::cli {
namespace {

struct PredictOptions {
    std::string checkpoint, input = "-", device = "auto", attention;
    std::int64_t threads = 0, batch = 32, width = 1, max_length = 0, best = 1;
    double length_penalty = 0;
};

/// Of a file, or of stdin for "-".
std::vector<std::string> read_lines(const std::string& path) {
    std::ifstream file;
    if (path != "-") file.open(path, std::ios::binary);
    if (!file) refuse("input", path, "cannot be opened");
    std::istream& stream = path == "-" ? std::cin : file;
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        if (line.ends_with('\r')) line.pop_back();
        lines.push_back(std::move(line));
    }
    return lines;
}

void predict(const PredictOptions& options) {
    const SavedRun run = load_run(options.checkpoint);
    const std::unique_ptr<Task> task = restore_task(run);
    Network network = load_network(run, open_device(options.device, options.threads));
    for (const std::string& line : task->predict(read_lines(options.input), network, {})) fmt::print("{}\n", line);
}

/// Rows: what was written, its end last; columns: the source's tokens.
void write_attention(const std::string& path, const PairModel& model, Translator& translator,
                     const std::vector<std::int32_t>& source, const std::vector<std::int32_t>& target) {
    std::ofstream file(path, std::ios::app);
    file << "\"\"";
    const auto cell = [&](const std::string& text) {
        std::string quoted = "\"";
        for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
        return quoted + "\"";
    };
    for (const std::int32_t id : source) file << ',' << cell(model.source().token(id));
    const std::vector<double> weights = translator.attention(source, target);
    for (std::size_t t = 0; t <= target.size(); ++t) {
        file << '\n' << (t < target.size() ? cell(model.decode(std::span(&target[t], 1))) : cell("<end>"));
        for (std::size_t s = 0; s < source.size(); ++s) file << fmt::format(",{:.4f}", weights[t * source.size() + s]);
    }
    file << "\n\n";
    if (!file) throw Error(ErrorCode::io, "attention = " + path + ": cannot be written");
}

void translate(const PredictOptions& options) {
    require(options.batch >= 1, "batch", options.batch, "must be at least 1");
    require(options.best >= 1 && options.best <= options.width, "best", options.best, "must be in [1, beam]");
    const SavedRun run = load_run(options.checkpoint);
    require(run.config.task == "seq2seq", "checkpoint", run.config.task, "must be of seq2seq");
    const PairModel model(run.config, run.state.metadata);
    Translator translator(open_device(options.device, options.threads), model.spec(), run.state.tensors);
    const BeamSpec beam{.width = options.width,
                        .max_length = options.max_length > 0 ? options.max_length : run.config.max_length,
                        .length_penalty = options.length_penalty};
    if (!options.attention.empty()) std::ofstream(options.attention, std::ios::trunc);
    const std::vector<std::string> lines = read_lines(options.input);
    for (std::size_t begin = 0; begin < lines.size(); begin += static_cast<std::size_t>(options.batch)) {
        const std::size_t end = std::min(lines.size(), begin + static_cast<std::size_t>(options.batch));
        std::vector<std::vector<std::int32_t>> sources;
        for (std::size_t i = begin; i < end; ++i) sources.push_back(model.encode_source(lines[i]));
        const auto found = translator.translate(sources, beam);
        for (std::size_t i = 0; i < found.size(); ++i) {
            for (std::size_t h = 0; h < std::min(found[i].size(), static_cast<std::size_t>(options.best)); ++h)
                fmt::print("{}{}\n", model.decode(found[i][h].tokens),
                           options.best > 1 ? fmt::format("\t{:.4f}", found[i][h].score) : "");
            if (!options.attention.empty() && !found[i].empty())
                write_attention(options.attention, model, translator, sources[i], found[i][0].tokens);
        }
    }
}

void add_common(CLI::App& command, PredictOptions& options) {
    command.add_option("--checkpoint", options.checkpoint, "file, or folder of a run: its best model")->required();
    command.add_option("--input", options.input, "file, one example a line; - for stdin [-]");
    command.add_option("--device", options.device, "auto, cpu or cuda");
    command.add_option("--threads", options.threads, "of the cpu; 0 for one a core");
}

}  // namespace

void add_predict(CLI::App& program) {
    CLI::App* command = program.add_subcommand(
        "predict", "Label, tag, transcribe, translate or forecast with a trained model, line by line");
    const auto options = std::make_shared<PredictOptions>();
    add_common(*command, *options);
    command->callback([options] { predict(*options); });
}

void add_translate(CLI::App& program) {
    CLI::App* command = program.add_subcommand("translate", "Write target texts with a trained seq2seq model");
    const auto options = std::make_shared<PredictOptions>();
    add_common(*command, *options);
    command->add_option("--beam", options->width, "hypotheses kept at each step; 1: greedy [1]");
    command->add_option("--length-penalty", options->length_penalty,
                        "log p is divided by ((5 + n)/6) to this power; higher: longer [0]");
    command->add_option("--best", options->best, "print so many hypotheses with their scores [1]");
    command->add_option("--max-length", options->max_length, "tokens at most; 0: as in training");
    command->add_option("--batch", options->batch, "lines at a time [32]");
    command->add_option("--attention", options->attention, "CSV file for where the model looked");
    command->callback([options] { translate(*options); });
}

}  // namespace rondo::cli
