/// Draws from logits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "rondo/generator.hpp"
#include "rondo/philox.hpp"

namespace rondo {
namespace {

std::size_t most_likely(std::span<const double> logits) {
    return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void normalise(std::vector<double>& p) {
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
}

/// Ids from the most likely to the least, equals in order of id.
std::vector<std::size_t> ranking(const std::vector<double>& p) {
    std::vector<std::size_t> ids(p.size());
    std::iota(ids.begin(), ids.end(), std::size_t{0});
    std::stable_sort(ids.begin(), ids.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
    return ids;
}

}  // namespace

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
    const std::size_t best = most_likely(logits);
    std::vector<double> p(logits.size(), 0.0);
    if (spec_.temperature == 0 || std::isinf(logits[best])) {
        p[best] = 1;
        return p;
    }
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::exp((logits[i] - logits[best]) / spec_.temperature);
    normalise(p);
    const bool cut_k = spec_.top_k > 0 && spec_.top_k < static_cast<std::int64_t>(p.size());
    if (!cut_k && spec_.top_p == 1) return p;
    const std::vector<std::size_t> ids = ranking(p);
    if (cut_k) {
        for (std::size_t rank = static_cast<std::size_t>(spec_.top_k); rank < ids.size(); ++rank) p[ids[rank]] = 0;
        normalise(p);
    }
    double reached = 0;
    for (std::size_t id : ids) {
        if (reached >= spec_.top_p) p[id] = 0;
        reached += p[id];
    }
    normalise(p);
    return p;
}

std::int32_t Sampler::sample(std::span<const double> logits) {
    const std::vector<double> p = probabilities(logits);
    const Philox4 r = philox4x32(philox_counter(draws_++, 0), philox_key(spec_.seed));
    double left = philox_uniform(r.word[0], r.word[1]);
    std::size_t last = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
        if (p[i] == 0) continue;
        last = i;
        if (left < p[i]) break;
        left -= p[i];
    }
    return static_cast<std::int32_t>(last);
}

}  // namespace rondo
