#pragma once
#include "rondo/rnn.hpp"

namespace rondo {

/// Throws Error naming the first field that is not allowed.
void validate(const Extent& extent);

}  // namespace rondo
