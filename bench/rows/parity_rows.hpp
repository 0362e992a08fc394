#pragma once
/// Small cases of everything that both sides can do, each cheap.
#include <vector>

#include "rows/row.hpp"

namespace rondo::bench {

/// Always the same ones: cells, types, layers, directions, lengths and passes in turn, extents at random, with the
/// edges among them. rnn_relu only in f64 and f32: where h is rounded, two right programs fall on different sides of
/// its kink.
std::vector<Row> parity_rows(int count);

}  // namespace rondo::bench
