#pragma once
/// Which random numbers a stack draws, and where from.
#include <cstdint>

#include "rondo/rnn.hpp"

namespace rondo {

/// What is drawn inside a layer and direction, once a forward pass.
enum class Draw { recurrent, weight, zoneout, zoneout_cell };

/// Its site: see philox.hpp. Those of layers' inputs are the layers' numbers.
constexpr std::uint64_t site_of(int layer, bool reverse, Draw draw) {
    const std::uint64_t place = 1 + 2 * static_cast<std::uint64_t>(draw) + (reverse ? 1 : 0);
    return static_cast<std::uint64_t>(layer) | place << 32;
}

/// Whether training draws anything.
inline bool draws(const LayerSpec& layer) {
    return layer.dropout > 0 || layer.recurrent_dropout > 0 || layer.weight_dropout > 0 || layer.zoneout > 0 ||
           layer.zoneout_cell > 0;
}

/// The rate at which elements of a state stay as they were.
inline double zoneout_of(const LayerSpec& layer, int state) {
    return state == 0 ? layer.zoneout : state == 1 ? layer.zoneout_cell : 0;
}

}  // namespace rondo
