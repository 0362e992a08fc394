#pragma once
/// Beam search over any model that says how likely each next token is.
#include <cstdint>
#include <span>
#include <vector>

#include "rondo/export.hpp"

namespace rondo {

/// What is searched. Its rows are hypotheses; each call goes on from those of the call before.
class StepModel {
public:
    virtual ~StepModel() = default;
    virtual std::int64_t classes() const = 0;
    /// log_p[i·classes() + c]: of token c after hypothesis i, which is that of row parents[i] in the call before with
    /// tokens[i] behind it. In the first call parents[i] is the source.
    virtual void next(std::span<const std::int64_t> parents, std::span<const std::int32_t> tokens,
                      std::span<double> log_p) = 0;
};

struct BeamSpec {
    std::int64_t width = 1;         ///< hypotheses kept; 1 is greedy search
    std::int64_t max_length = 100;  ///< tokens at most, without the end: it is forced then
    /// A hypothesis of n tokens, its end counted, scores log p / ((5 + n)/6)^length_penalty (Wu et al. 2016); 0: log p.
    double length_penalty = 0;
    std::int32_t begin = 0, end = 0;
};

struct Hypothesis {
    std::vector<std::int32_t> tokens;  ///< without begin and end
    double log_p = 0;                  ///< its end counted
    double score = 0;
};

/// The best `width` hypotheses of each of `sources`, best first; equals in order of their tokens. None where nothing may
/// end. An end counts where it is among the `width` likeliest steps of its source, so that width 1 without a penalty is
/// greedy search; the result is exact where the width holds every hypothesis. Throws Error on a field that is not allowed,
/// or a log_p that is NaN.
RONDO_API std::vector<std::vector<Hypothesis>> beam_search(StepModel& model, std::int64_t sources,
                                                           const BeamSpec& spec);

}  // namespace rondo
