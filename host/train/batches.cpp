#include "rondo/batches.hpp"

#include <algorithm>
#include <numeric>

#include "rondo/error.hpp"
#include "rondo/philox.hpp"

namespace rondo {
namespace {

/// Fisher and Yates, drawn from Philox: the same on every machine.
template <class T>
void shuffle(std::vector<T>& list, std::uint64_t seed) {
    for (std::size_t i = list.size(); i > 1; --i) {
        const Philox4 r = philox4x32(philox_counter(i, 0), philox_key(seed));
        const auto j = static_cast<std::size_t>(philox_uniform(r.word[0], r.word[1]) * static_cast<double>(i));
        std::swap(list[i - 1], list[j]);
    }
}

}  // namespace

LengthBatches::LengthBatches(std::vector<std::int64_t> lengths, std::int64_t batch, std::uint64_t seed,
                             std::int64_t pool)
    : lengths_(std::move(lengths)), batch_(batch), pool_(pool), seed_(seed) {
    require(!lengths_.empty(), "examples", 0, "must be at least 1");
    require(batch >= 1, "batch", batch, "must be at least 1");
    require(pool >= 1, "pool", pool, "must be at least 1");
}

void LengthBatches::arrange(std::int64_t epoch) const {
    if (arranged_ == epoch) return;
    const std::uint64_t seed = philox_subseed(seed_, static_cast<std::uint64_t>(epoch));
    order_.resize(lengths_.size());
    std::iota(order_.begin(), order_.end(), 0);
    shuffle(order_, philox_subseed(seed, 1));
    const auto shorter = [&](std::int64_t a, std::int64_t b) {
        return lengths_[static_cast<std::size_t>(a)] < lengths_[static_cast<std::size_t>(b)];
    };
    for (std::int64_t begin = 0; pool_ > 1 && begin < examples(); begin += pool_ * batch_)
        std::stable_sort(order_.begin() + begin, order_.begin() + std::min(examples(), begin + pool_ * batch_),
                         shorter);
    ranges_.clear();
    for (std::int64_t begin = 0; begin < examples(); begin += batch_)
        ranges_.push_back({begin, std::min(examples(), begin + batch_)});
    shuffle(ranges_, philox_subseed(seed, 2));
    arranged_ = epoch;
}

std::span<const std::int64_t> LengthBatches::batch(std::int64_t epoch, std::int64_t index) const {
    require(epoch >= 0, "epoch", epoch, "must not be negative");
    require(index >= 0 && index < batches(), "index", index, detail::concat("must be in [0, ", batches(), ")"));
    arrange(epoch);
    const Range range = ranges_[static_cast<std::size_t>(index)];
    return std::span(order_).subspan(static_cast<std::size_t>(range.begin),
                                     static_cast<std::size_t>(range.end - range.begin));
}

double LengthBatches::padding(std::int64_t epoch) const {
    double steps = 0, valid = 0;
    for (std::int64_t i = 0; i < batches(); ++i) {
        std::int64_t longest = 0;
        const auto examples = batch(epoch, i);
        for (const std::int64_t e : examples) {
            const std::int64_t length = lengths_[static_cast<std::size_t>(e)];
            longest = std::max(longest, length);
            valid += static_cast<double>(length);
        }
        steps += static_cast<double>(longest) * static_cast<double>(examples.size());
    }
    return steps > 0 ? 1 - valid / steps : 0;
}

}  // namespace rondo
