// rondo info: what a file, a device or a stack is.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/program.hpp"
#include "cli/stack_from_names.hpp"
#include "cli/stack_words.hpp"
#include "rondo/checkpoint.hpp"
#include "rondo/safetensors.hpp"

namespace rondo::cli {
namespace {

struct InfoOptions {
    std::string file, device = "auto", weights, prefix, cell, dtype = "f32", direction = "forward", biases = "two";
    std::int64_t threads = 0, input = 0, hidden = 0, layers = 1, projection = 0, steps = 1, batch = 1;
    bool inference = false, ragged = false, stack_told = false;
};

std::string one_line(const std::string& text) {
    constexpr std::size_t kShown = 200;
    std::string out = text.substr(0, kShown);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return text.size() > kShown ? out + "..." : out;
}

void describe_file(const std::string& path) {
    const SafetensorsReader file(path);
    std::int64_t bytes = 0;
    for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes();
    const bool checkpoint = file.metadata().count(std::string(kCheckpointKey)) != 0;
    fmt::print("{}: {}, {} tensors, {} bytes, {}\n", path, checkpoint ? "checkpoint" : "safetensors",
               file.tensors().size(), bytes, file.has_checksum() ? "checksum verified" : "no checksum");
    for (const auto& [key, value] : file.metadata()) fmt::print("  {} = {}\n", one_line(key), one_line(value));
    for (const TensorInfo& tensor : file.tensors())
        fmt::print("  {:<4} {:<20} {}\n", name_of(tensor.dtype), tensor.shape.to_string(), one_line(tensor.name));
}

StackSpec planned_stack(const InfoOptions& options) {
    if (!options.weights.empty()) {
        StackOptions stack;
        if (!options.cell.empty()) stack.cells = split(options.cell, ',');
        stack.precision = Precision::parse(options.dtype);
        stack.prefix = options.prefix;
        return stack_from_names(SafetensorsReader(options.weights).tensors(), stack);
    }
    require(options.layers >= 1 && options.layers <= 1000, "layers", options.layers, "must be in [1, 1000]");
    LayerSpec layer;
    layer.cell = options.cell.empty() ? "lstm" : options.cell;
    layer.hidden = options.hidden;
    layer.projection = options.projection;
    layer.direction = parse_direction(options.direction);
    layer.biases = parse_biases(options.biases);
    StackSpec spec;
    spec.input = options.input > 0 ? options.input : options.hidden;
    spec.layers.assign(static_cast<std::size_t>(options.layers), layer);
    spec.precision = Precision::parse(options.dtype);
    return spec;
}

void describe(const InfoOptions& options) {
    if (!options.file.empty()) describe_file(options.file);
    const bool stack = options.hidden != 0 || !options.weights.empty();
    require(stack || !options.stack_told, "hidden", "not given", "is needed to plan a stack, or --weights");
    require(options.hidden >= 0, "hidden", options.hidden, "must be positive");
    if (!options.file.empty() && !stack) return;
    const Device device = open_device(options.device, options.threads);
    std::string plan;
    if (stack)
        plan = Rnn(device, planned_stack(options))
                   .plan({.steps = options.steps,
                          .batch = options.batch,
                          .mode = options.inference ? Mode::inference : Mode::training,
                          .ragged = options.ragged})
                   .to_string();
    fmt::print("{}\n{}", device.description(), plan);
}

}  // namespace

void add_info(CLI::App& program) {
    CLI::App* command = program.add_subcommand("info", "Tell what a file, a device or a planned stack is");
    const auto options = std::make_shared<InfoOptions>();
    command->add_option("file", options->file, "safetensors file or checkpoint");
    command->add_option("--device", options->device, "auto, cpu or cuda");
    command->add_option("--threads", options->threads, "of the cpu; 0 for one a core");
    command->add_option("--weights", options->weights, "plan the stack of these weights, as rondo run would");
    command->add_option("--prefix", options->prefix, "of the weights' names");
    command->add_option("--hidden", options->hidden, "plan a stack of this width");
    command->add_option("--input", options->input, "its input's width; 0 for --hidden");
    command->add_option("--cell", options->cell,
                        "lstm, gru, rnn_tanh, rnn_relu, slstm, mingru, minlstm, lnlstm or lngru");
    command->add_option("--layers", options->layers, "how many");
    command->add_option("--projection", options->projection, "lstm: width h is projected to");
    command->add_option("--direction", options->direction, "forward, reverse or bidirectional");
    command->add_option("--biases", options->biases, "none, one or two");
    command->add_option("--dtype", options->dtype, "f64, f32, tf32, bf16 or f16");
    command->add_option("--steps", options->steps, "T of the plan");
    command->add_option("--batch", options->batch, "B of the plan");
    command->add_flag("--inference", options->inference, "no backward");
    command->add_flag("--ragged", options->ragged, "rows have lengths");
    command->callback([options, command] {
        for (const char* name : {"--input", "--cell", "--layers", "--projection", "--direction", "--biases", "--dtype",
                                 "--steps", "--batch", "--inference", "--ragged"})
            options->stack_told = options->stack_told || command->count(name) > 0;
        describe(*options);
    });
}

}  // namespace rondo::cli
