#pragma once
/// From CTC's logits to labels.
#include <cstdint>
#include <span>
#include <vector>

#include "rondo/export.hpp"

namespace rondo {

/// logits: [steps, classes] of one row. Both throw Error on a list that does not fit, or on NaN.

/// The likeliest class of each step (the first of equals), repetitions and then blanks taken away.
RONDO_API std::vector<std::int32_t> ctc_greedy(std::span<const double> logits, std::int64_t classes,
                                               std::int32_t blank = 0);

struct CtcHypothesis {
    std::vector<std::int32_t> labels;
    double log_p = 0;  ///< summed over the paths that the search kept
};

/// Prefix beam search (Hannun et al. 2014, without a language model): the `width` likeliest labellings, best first. Exact
/// where the width holds every prefix.
RONDO_API std::vector<CtcHypothesis> ctc_beam(std::span<const double> logits, std::int64_t classes, std::int64_t width,
                                              std::int32_t blank = 0);

}  // namespace rondo
