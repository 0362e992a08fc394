#pragma once
/// The streams there are.
#include <vector>

#include "lane/standin/queue.hpp"

namespace rondo::lane {

Stream& legacy_stream(int device);
/// All but the legacy ones.
const std::vector<Stream*>& live_streams();

}  // namespace rondo::lane
