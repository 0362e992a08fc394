#pragma once
/// What a person is told of gradients that keep a model from learning, and what usually helps.
#include <string>

#include "rondo/gradient_flow.hpp"

namespace rondo::cli {

/// In a sentence: what was seen.
std::string seen(const GradientTrouble& trouble);
/// In another: what usually helps, by the flags of `rondo train`.
std::string advice(const GradientTrouble& trouble);

}  // namespace rondo::cli
