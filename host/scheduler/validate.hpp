#pragma once
#include "rondo/rnn.hpp"

namespace rondo {

/// Throws Error naming the first field that is not allowed.
void validate(const Extent& extent);

/// Throws Error when the sizes of a valid stack at a valid extent come near the end of 63 bits: all that a plan adds up
/// and multiplies fits them after this.
void check_addressable(const StackSpec& spec, const Extent& extent);

}  // namespace rondo
