#pragma once
/// What Backend's Sample means, on the host: the probabilities of a row, and a draw from them.
#include <cstdint>
#include <span>
#include <vector>

#include "rondo/rnn.hpp"

namespace rondo {

/// Takes memory only for a row longer than all before. One thread at a time.
class CutSoftmax {
public:
    /// Probabilities of the classes, zero where they are cut. There is a logit at least, and none is NaN. Valid until the
    /// next call.
    std::span<const double> of(std::span<const double> logits, double temperature, std::int64_t top_k, double top_p);

private:
    void rank(std::span<const double> logits);

    std::vector<double> p_;
    std::vector<std::size_t> ids_;  // from the most likely to the least, equals in order of id
};

/// The class that draw `random.step` takes in row `row`.
std::int32_t draw(std::span<const double> probabilities, RandomState random, std::uint64_t row);

}  // namespace rondo
