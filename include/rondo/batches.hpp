#pragma once
/// Batches of examples of different lengths, made so that little of them is padding.
#include <cstdint>
#include <span>
#include <vector>

#include "rondo/export.hpp"

namespace rondo {

/// The order in which examples are read. Each epoch's is drawn anew from (seed, epoch): examples are shuffled, those of
/// `pool` batches are put in order of their length and cut into batches, and the batches are shuffled. The same numbers
/// give the same batches. Immutable but for a memory of the last epoch; one thread at a time.
class RONDO_API LengthBatches {
public:
    /// lengths: of the examples. pool 1: no sorting. Throws Error when there are none, or batch or pool is below 1.
    LengthBatches(std::vector<std::int64_t> lengths, std::int64_t batch, std::uint64_t seed, std::int64_t pool = 100);

    std::int64_t examples() const noexcept { return static_cast<std::int64_t>(lengths_.size()); }
    std::int64_t batches() const noexcept {
        return (examples() + batch_ - 1) / batch_;
    }  ///< an epoch; the last is short
    /// The examples of a batch.
    std::span<const std::int64_t> batch(std::int64_t epoch, std::int64_t index) const;
    /// The share of an epoch's steps that is padding, where each batch is as long as its longest example.
    double padding(std::int64_t epoch) const;

private:
    struct Range {
        std::int64_t begin, end;
    };
    void arrange(std::int64_t epoch) const;

    std::vector<std::int64_t> lengths_;
    std::int64_t batch_, pool_;
    std::uint64_t seed_;
    mutable std::int64_t arranged_ = -1;
    mutable std::vector<std::int64_t> order_;
    mutable std::vector<Range> ranges_;
};

}  // namespace rondo
