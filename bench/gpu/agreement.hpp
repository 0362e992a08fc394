#pragma once
/// Whether both sides compute the same, before either is timed: the row's stack at a few steps and rows, y and dx of
/// each beside those of the CPU backend in double, from the same numbers rounded to the row's type.
#include "gpu/cudnn_side.hpp"
#include "gpu/rondo_side.hpp"

namespace rondo::bench {

struct Agreement {
    nlohmann::ordered_json json;  ///< the largest errors, relative to the largest value
    std::string refusal;          ///< empty where Rondo's numbers may be timed
};

Agreement agreement(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row,
                    const std::vector<cudnnRNNAlgo_t>& algorithms);

}  // namespace rondo::bench
