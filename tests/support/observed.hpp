#pragma once
/// What an observed backward told, against the oracle.
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {

/// |dL/dh_t| of every layer and step against `ref`, in multiples of what `tolerance` allows; of a stack's last layer also
/// what came through time. Infinite where the rows that took a step are miscounted.
double observed_ratio(const RnnHarness& harness, const Result& ref, Tolerance tolerance);

/// A layer whose gates stand at their lower end in the first sixth of the units, at their upper end in the next third and
/// in the middle in the rest, and in every other step at the other end; `hidden` is a multiple of 6.
Problem with_ends(Problem problem);

/// What must be told of such a layer's gates: how many elements at either end, in the order of Plan::observations.
std::vector<double> expected_ends(const RnnHarness& harness, const ObservationInfo& info, std::int64_t t);

}  // namespace rondo::test
