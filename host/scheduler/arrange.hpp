#pragma once
/// What of a stack runs beside what: a pure choice, made once a plan.
#include <cstdint>

#include "rondo/rnn.hpp"

namespace rondo {

struct Arrangement {
    DirectionOrder directions = DirectionOrder::in_turn;  ///< never automatic
    bool wavefront = false;                               ///< over the layers
    std::int64_t piece = 0;                               ///< steps of a piece of time, in a wavefront
    int streams = 1;                                      ///< that operations are spread over, at the most
    bool operator==(const Arrangement&) const = default;
};

/// For a device that runs work of so many streams at once.
Arrangement arrange(const StackSpec& spec, const Extent& extent, int streams);

}  // namespace rondo
