#pragma once
/// The tensors of `rondo run` in files: which there are, of what shape, and how states are stacked.
///
///     in   x [T,B,I]   h0, c0 [L·D,B,width]   lengths [B] i64   with gradients: dy [T,B,O], dhy, dcy as h0, c0
///     out  y [T,B,O]   hy, cy                                   with gradients: NAME.grad of x, h0, c0 and parameters
///
/// Where layers differ in the width of a state, each has a tensor of its own: h0_l0 [B,width], hy_l1_reverse, ...
#include <string>

#include "cli/run_problem.hpp"
#include "rondo/safetensors.hpp"

namespace rondo::cli {

/// Reads what a stack is run on. Throws Error naming the first tensor that is missing, unknown or does not fit.
RunProblem read_problem(const StackSpec& spec, const SafetensorsReader& weights, const std::string& prefix,
                        const SafetensorsReader& input, bool gradients);

/// Writes the results, in f64 where the run was and f32 otherwise.
void write_result(const std::string& path, const RunProblem& problem, const RunResult& result);

}  // namespace rondo::cli
