#pragma once
/// What may be drawn from a row of logits: the rule said once more, in the plainest form, for devices and for
/// rondo::Sampler to be held against.
#include <cstdint>
#include <set>
#include <vector>

#include "rondo/generator.hpp"

namespace rondo::test {

/// The ids that draw `number` of row `row` may take: one, but where the uniform number, or the sum that top_p is held
/// against, is within 1e-12 of the boundary between two classes, both. Sums of a thousand probabilities in another order
/// differ by less, and fewer than one draw in a million comes that close by chance.
std::set<std::int32_t> allowed_draws(const std::vector<double>& logits, const SamplingSpec& spec, std::uint64_t number,
                                     std::uint64_t row);

}  // namespace rondo::test
