/// Draws from logits.
#include <cmath>

#include "rondo/generator.hpp"
#include "scheduler/cut_softmax.hpp"

namespace rondo {

void validate(const SamplingSpec& spec) {
    require(std::isfinite(spec.temperature) && spec.temperature >= 0, "temperature", spec.temperature,
            "must be finite and not negative");
    require(spec.top_k >= 0, "top_k", spec.top_k, "must be 0 (all) or a number of tokens");
    require(spec.top_p > 0 && spec.top_p <= 1, "top_p", spec.top_p, "must be above 0 and at most 1");
}

Sampler::Sampler(SamplingSpec spec) : spec_(spec) { validate(spec); }

std::vector<double> Sampler::probabilities(std::span<const double> logits) const {
    require(!logits.empty(), "logits", "[]", "must not be empty");
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (std::isnan(logits[i])) refuse(detail::concat("logits[", i, "]"), "nan", "must be a number");
    CutSoftmax softmax;
    const std::span<const double> p = softmax.of(logits, spec_.temperature, spec_.top_k, spec_.top_p);
    return {p.begin(), p.end()};
}

std::int32_t Sampler::sample(std::span<const double> logits) {
    return draw(probabilities(logits), {spec_.seed, draws_++}, 0);
}

}  // namespace rondo
