#pragma once
/// A stack read off the names and shapes of its parameters, as PyTorch writes them.
#include <string>
#include <vector>

#include "rondo/rnn.hpp"
#include "rondo/safetensors.hpp"

namespace rondo::cli {

/// What names and shapes do not tell.
struct StackOptions {
    std::vector<std::string> cells;  ///< none: told from the number of gates; one for all layers, or one a layer
    Merge merge = Merge::concatenate;
    bool peepholes = false;  ///< also on wherever a layer has weight_peephole
    bool coupled = false;
    bool reset_before = false;
    double cell_clip = 0;
    RecurrentClip recurrent_clip{};
    Precision precision = Precision::f32();
    std::string prefix;  ///< tensors whose names begin so are the stack's, others are not looked at
};

/// Layers, directions, widths, projections and biases follow from the tensors. Throws Error naming the first tensor
/// that is missing, unknown, doubled or of a shape that does not fit.
StackSpec stack_from_names(const std::vector<TensorInfo>& tensors, const StackOptions& options);

}  // namespace rondo::cli
