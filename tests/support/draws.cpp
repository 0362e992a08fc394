#include "support/draws.hpp"

#include <algorithm>
#include <cmath>

#include "rondo/philox.hpp"

namespace rondo::test {
namespace {

constexpr double kRounding = 1e-12;

struct Candidate {
    double logit;
    std::int32_t id;
    long double probability;
};

void normalise(std::vector<Candidate>& candidates) {
    long double sum = 0;
    for (const Candidate& c : candidates) sum += c.probability;
    for (Candidate& c : candidates) c.probability /= sum;
}

/// From the most likely to the least, equals in order of id.
std::vector<Candidate> ranking(const std::vector<double>& logits, double temperature) {
    std::vector<Candidate> all;
    for (std::size_t i = 0; i < logits.size(); ++i) all.push_back({logits[i], static_cast<std::int32_t>(i), 0});
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.logit > b.logit; });
    const long double most = all[0].logit;
    if (temperature == 0 || std::isinf(all[0].logit)) all.resize(1);
    for (Candidate& c : all) c.probability = all.size() == 1 ? 1 : std::exp((c.logit - most) / temperature);
    return all;
}

/// What is left of `ranked`, in order of id.
std::vector<Candidate> cut(std::vector<Candidate> ranked, std::int64_t top_k, double top_p) {
    if (top_k > 0 && top_k < static_cast<std::int64_t>(ranked.size())) ranked.resize(static_cast<std::size_t>(top_k));
    normalise(ranked);
    if (top_p < 1) {
        long double reached = 0;
        std::size_t count = 0;
        while (count < ranked.size() && (count == 0 || reached < top_p)) reached += ranked[count++].probability;
        ranked.resize(count);
        normalise(ranked);
    }
    std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return ranked;
}

std::int32_t walk(const std::vector<Candidate>& candidates, long double uniform) {
    std::int32_t last = -1;
    for (const Candidate& c : candidates) {
        if (c.probability < 1e-300L) continue;  // zero as a double
        last = c.id;
        if (uniform < c.probability) break;
        uniform -= c.probability;
    }
    return last;
}

}  // namespace

std::set<std::int32_t> allowed_draws(const std::vector<double>& logits, const SamplingSpec& spec, std::uint64_t number,
                                     std::uint64_t row) {
    const Philox4 r = philox4x32(philox_counter(number, row), philox_key(spec.seed));
    const double uniform = philox_uniform(r.word[0], r.word[1]);
    const std::vector<Candidate> ranked = ranking(logits, spec.temperature);
    std::set<std::int32_t> ids;
    for (const double p_error : {-kRounding, 0.0, kRounding}) {
        if (spec.top_p == 1 && p_error != 0) continue;
        const std::vector<Candidate> left = cut(ranked, spec.top_k, spec.top_p + p_error);
        for (const double u_error : {-kRounding, 0.0, kRounding}) ids.insert(walk(left, uniform + u_error));
    }
    return ids;
}

}  // namespace rondo::test
