#include "scheduler/arrange.hpp"

#include <algorithm>

namespace rondo {
namespace {

/// Up to which B·H the directions of a layer are batched where nothing else is asked for. Batching halves the launches of
/// a step; two streams let one direction's product overlap with the other's map. Not measured yet: 0 takes streams, the
/// order that needs no more of cuBLASLt than other layers do. bench_cuda_rnn --direction-order compares them.
constexpr std::int64_t kBatchedMostElements = 0;

std::int64_t most_elements(const StackSpec& spec, const Extent& extent) {
    std::int64_t hidden = 0;
    for (const LayerSpec& layer : spec.layers) hidden = std::max(hidden, layer.hidden);
    return extent.batch * hidden;
}

DirectionOrder order_of_directions(const StackSpec& spec, const Extent& extent, int streams) {
    if (extent.directions != DirectionOrder::automatic) return extent.directions;
    if (streams < 2) return DirectionOrder::in_turn;  // a CPU gains nothing
    return most_elements(spec, extent) <= kBatchedMostElements ? DirectionOrder::batched : DirectionOrder::streams;
}

}  // namespace

Arrangement arrange(const StackSpec& spec, const Extent& extent, int streams) {
    return {order_of_directions(spec, extent, streams)};
}

}  // namespace rondo
