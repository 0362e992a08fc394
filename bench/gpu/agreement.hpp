#pragma once
/// Whether both sides compute the same: y, dx, every gradient of the weights, carried states and their gradients of
/// each, beside those of the CPU backend in double (for large rows of the GPU's own f64), from the same numbers rounded
/// to the row's type.
#include "gpu/cudnn_side.hpp"
#include "gpu/rondo_side.hpp"

namespace rondo::bench {

struct Agreement {
    nlohmann::ordered_json json;  ///< the largest errors, relative to the largest value
    bool compared = false;        ///< some algorithm of cuDNN's took the row
    std::string refusal;          ///< empty unless the sides differ by more than the rule allows
};

/// The rule: Rondo's largest error is at most twice that of cuDNN's best algorithm, and four roundings of the largest
/// value.
Agreement agreement(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row,
                    const std::vector<cudnnRNNAlgo_t>& algorithms);

}  // namespace rondo::bench
