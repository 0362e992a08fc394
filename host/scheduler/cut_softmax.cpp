#include "scheduler/cut_softmax.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rondo/philox.hpp"

namespace rondo {
namespace {

void normalise(std::vector<double>& p) {
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& x : p) x /= sum;
}

}  // namespace

/// By the logits: dividing and exponentiating may make equals of what differs.
void CutSoftmax::rank(std::span<const double> logits) {
    ids_.resize(logits.size());
    std::iota(ids_.begin(), ids_.end(), std::size_t{0});
    std::sort(ids_.begin(), ids_.end(),
              [&](std::size_t a, std::size_t b) { return logits[a] > logits[b] || (logits[a] == logits[b] && a < b); });
}

std::span<const double> CutSoftmax::of(std::span<const double> logits, double temperature, std::int64_t top_k,
                                       double top_p) {
    p_.assign(logits.size(), 0.0);
    const auto best = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    if (temperature == 0 || std::isinf(logits[best])) {
        p_[best] = 1;
        return p_;
    }
    for (std::size_t i = 0; i < p_.size(); ++i) p_[i] = std::exp((logits[i] - logits[best]) / temperature);
    normalise(p_);
    const bool cut_k = top_k > 0 && top_k < static_cast<std::int64_t>(p_.size());
    if (!cut_k && top_p == 1) return p_;
    rank(logits);
    if (cut_k) {
        for (auto r = static_cast<std::size_t>(top_k); r < ids_.size(); ++r) p_[ids_[r]] = 0;
        normalise(p_);
    }
    double reached = 0;
    for (std::size_t id : ids_) {
        if (reached >= top_p) p_[id] = 0;
        reached += p_[id];
    }
    normalise(p_);
    return p_;
}

std::int32_t draw(std::span<const double> probabilities, RandomState random, std::uint64_t row) {
    const Philox4 r = philox4x32(philox_counter(random.step, row), philox_key(random.seed));
    double left = philox_uniform(r.word[0], r.word[1]);
    std::size_t last = 0;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
        if (probabilities[i] == 0) continue;
        last = i;
        if (left < probabilities[i]) break;
        left -= probabilities[i];
    }
    return static_cast<std::int32_t>(last);
}

}  // namespace rondo
