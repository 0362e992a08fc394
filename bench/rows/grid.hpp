#pragma once
/// Which rows are measured, the most telling first: a run that is cut off has seen those.
#include <string_view>
#include <vector>

#include "rows/row.hpp"

namespace rondo::bench {

/// "short": 40 rows. "full": the same 40, then about a hundred more. Throws Error on any other word.
std::vector<Row> grid(std::string_view name);

}  // namespace rondo::bench
