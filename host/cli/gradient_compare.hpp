#pragma once
/// How gradients fare on their way through time: vanilla, LSTM and GRU cells side by side, over several lengths, with and
/// without clipping, and what truncated backpropagation leaves out.
#include <cstdint>
#include <string>
#include <vector>

#include "rondo/device.hpp"

namespace rondo::cli {

struct CompareOptions {
    std::int64_t hidden = 64, batch = 16;
    std::uint64_t seed = 1;
    std::vector<std::int64_t> steps{10, 50, 200};
};

struct Comparison {
    std::string page;     ///< HTML
    std::string ways;     ///< CSV: T,cell,clip,t,norm,relative
    std::string biases;   ///< CSV: cell,window,bias,cosine
    std::string summary;  ///< lines for people
};
Comparison compare_gradients(const CompareOptions& options, const Device& device);

}  // namespace rondo::cli
