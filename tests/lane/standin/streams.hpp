#pragma once
/// The streams there are.
#include <vector>

#include "lane/standin/queue.hpp"

namespace rondo::lane {

Stream& legacy_stream();
/// All but the legacy one.
const std::vector<Stream*>& live_streams();

}  // namespace rondo::lane
