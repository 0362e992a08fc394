#pragma once
/// Small cases of everything that both sides can do, each cheap.
#include <vector>

#include "rows/row.hpp"

namespace rondo::bench {

/// Always the same ones: cells, types, layers, directions, lengths and passes in turn, extents at random, with the
/// edges among them. rnn_relu only in f64 and f32: where h is rounded, two right programs fall on different sides of
/// its kink. Half of them carry states, some have fewer biases, an LSTM is projected or clipped now and then. One in a
/// hundred is a large shape, until there are no more of those.
std::vector<Row> parity_rows(int count);

/// Too large for the CPU backend in double to be waited for: the reference is then the GPU's own f64, which the small
/// ones have held against the CPU's.
bool is_large(const Row& row);

}  // namespace rondo::bench
