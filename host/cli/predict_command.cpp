// rondo predict and translate: what a trained model makes of each line.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <memory>

#include "cli/attention_map.hpp"
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

AttentionMap attention_of(const PairModel& model, Translator& translator, const std::vector<std::int32_t>& source,
                          const std::vector<std::int32_t>& target) {
    AttentionMap map;
    for (const std::int32_t id : source) map.source.push_back(model.source().vocabulary().token(id));
    for (const std::int32_t id : target)
        map.target.push_back(id < model.spec().target_classes ? model.target().vocabulary().token(id) : "");
    map.target.emplace_back("<end>");
    map.weights = translator.attention(source, target);
    return map;
}

void translate(const PredictOptions& options) {
    require(options.batch >= 1, "batch", options.batch, "must be at least 1");
    require(options.length_penalty == 0 || options.width > 1, "length_penalty", options.length_penalty,
            "is for a beam of more than 1");
    require(options.best >= 1 && options.best <= options.width, "best", options.best, "must be in [1, beam]");
    const SavedRun run = load_run(options.checkpoint);
    require(run.config.task == "seq2seq", "checkpoint", run.config.task, "must be of seq2seq");
    const PairModel model(run.config, run.state.metadata);
    Translator translator(open_device(options.device, options.threads), model.spec(), run.state.tensors);
    const BeamSpec beam{.width = options.width,
                        .max_length = options.max_length > 0 ? options.max_length : run.config.max_length,
                        .length_penalty = options.length_penalty};
    std::ofstream attention;
    if (!options.attention.empty()) {
        attention.open(options.attention, std::ios::binary);
        if (!attention) refuse("attention", options.attention, "cannot be written");
    }
    std::vector<AttentionMap> maps;
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
            if (attention.is_open() && !found[i].empty())
                maps.push_back(attention_of(model, translator, sources[i], found[i][0].tokens));
        }
    }
    if (!attention.is_open()) return;
    attention << (options.attention.ends_with(".svg") ? svg_of(maps) : csv_of(maps)) << std::flush;
    if (!attention) throw Error(ErrorCode::io, "attention = " + options.attention + ": cannot be written");
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
    command->add_option("--attention", options->attention,
                        "file for where the model looked: a picture where it ends in .svg, else CSV");
    command->callback([options] { translate(*options); });
}

}  // namespace rondo::cli
