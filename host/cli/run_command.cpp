// rondo run: a stack by its PyTorch-named weights, on given tensors.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/program.hpp"
#include "cli/run_files.hpp"
#include "cli/stack_from_names.hpp"
#include "cli/stack_words.hpp"

namespace rondo::cli {
namespace {

struct RunOptions {
    std::string weights, input, output, prefix, cell, device = "auto", dtype = "f32", merge = "concatenate";
    std::string recurrent_clip = "none";
    double cell_clip = 0;
    std::int64_t threads = 0;
    bool gradients = false, reset_before = false, peepholes = false, coupled = false;
};

void run(const RunOptions& options) {
    StackOptions stack;
    if (!options.cell.empty()) stack.cells = split(options.cell, ',');
    stack.merge = parse_merge(options.merge);
    stack.peepholes = options.peepholes;
    stack.coupled = options.coupled;
    stack.reset_before = options.reset_before;
    stack.cell_clip = options.cell_clip;
    stack.recurrent_clip = parse_recurrent_clip(options.recurrent_clip);
    stack.precision = Precision::parse(options.dtype);
    stack.prefix = options.prefix;

    const bool reference = options.device == "reference";
    const SafetensorsReader weights(options.weights), input(options.input);
    const StackSpec spec = stack_from_names(weights.tensors(), stack);
    const RunProblem problem = read_problem(spec, weights, options.prefix, input, options.gradients);
    const RunResult result =
        reference ? run_on_reference(problem) : run_on_device(problem, open_device(options.device, options.threads));
    write_result(options.output, problem, result);
}

}  // namespace

void add_run(CLI::App& program) {
    CLI::App* command = program.add_subcommand("run", "Run a stack on given tensors, forward and backward");
    const auto options = std::make_shared<RunOptions>();
    command
        ->add_option("--weights", options->weights,
                     "safetensors file with PyTorch's names: weight_ih_l0, weight_hh_l0_reverse, weight_hr_l0, ...; "
                     "layers, directions, widths, projection and biases follow from them")
        ->required();
    command
        ->add_option("--input", options->input,
                     "safetensors file: x [T,B,I]; optional h0, c0 [L*D,B,width], lengths [B] i64; with --grad also "
                     "dy [T,B,O], dhy, dcy (at least one)")
        ->required();
    command
        ->add_option("--output", options->output,
                     "safetensors file to write: y, hy, cy; with --grad NAME.grad of x, h0, c0 and every weight. "
                     "f64 in f64 runs, f32 otherwise")
        ->required();
    command->add_option(
        "--cell", options->cell,
        "lstm, gru, rnn_tanh, rnn_relu, slstm, mingru, minlstm, lnlstm, lngru, or a comma list, one a layer; told "
        "from the number of gates "
        "where it is not given");
    command->add_flag("--grad", options->gradients, "backward too");
    command->add_option("--device", options->device, "auto, cpu, cuda, or reference: the plain oracle");
    command->add_option("--threads", options->threads, "of the cpu; 0 is one a core");
    command->add_option("--dtype", options->dtype, "f64, f32, tf32, bf16 or f16; the reference has f64 and f32");
    command->add_option("--prefix", options->prefix, "of the weights' names, such as rnn.; others are left out");
    command->add_option("--merge", options->merge, "of two directions: concatenate, sum or average");
    command->add_flag("--reset-before", options->reset_before, "gru: reset gate before the product");
    command->add_flag("--peepholes", options->peepholes,
                      "lstm: needs weight_peephole_l0 (also taken when it is there)");
    command->add_flag("--coupled", options->coupled, "lstm: f = 1 - i, three gates i, g, o");
    command->add_option("--cell-clip", options->cell_clip, "lstm: limit of |c|");
    command->add_option("--recurrent-clip", options->recurrent_clip,
                        "of the gradient from step to step: none, value:LIMIT or norm:LIMIT");
    command->callback([options] { run(*options); });
}

}  // namespace rondo::cli
