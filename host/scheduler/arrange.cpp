#include "scheduler/arrange.hpp"

#include <algorithm>

namespace rondo {
namespace {

/// Up to which B·H the directions of a layer are batched where nothing else is asked for. Batching halves the launches of
/// a step; two streams let one direction's product overlap with the other's map. Not measured yet: 0 takes streams, the
/// order that needs no more of cuBLASLt than other layers do. bench_cuda_rnn --direction-order compares them.
constexpr std::int64_t kBatchedMostElements = 0;

/// Up to which B·H the layers of a stack run as a wavefront where nothing else is asked for, and from how many pieces
/// on. A piece costs a product of few rows, and backward a reading and writing of the weights' gradients, so it must
/// pay by steps that leave most of the device idle: at 4,096 elements a map is 8 blocks of an H100's 132
/// multiprocessors. Not measured yet; bench_cuda_rnn --layer-order compares.
constexpr std::int64_t kWavefrontMostElements = 4096;
constexpr std::int64_t kWavefrontFewestPieces = 8;
constexpr std::int64_t kWavefrontSteps = 32;  ///< of a piece

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

/// A piece of a layer's output must be final once the layer has taken it, and whole to the layer above. A single layer's
/// weight products run beside its loop; without any there is nothing to run beside it.
bool can_be_wavefront(const StackSpec& spec, const Extent& extent) {
    if (extent.steps < 2 || (spec.layers.size() < 2 && extent.mode == Mode::inference)) return false;
    const Direction direction = spec.layers[0].direction;
    if (direction == Direction::bidirectional) return false;
    return std::all_of(spec.layers.begin(), spec.layers.end(),
                       [&](const LayerSpec& layer) { return layer.direction == direction; });
}

bool is_wavefront(const StackSpec& spec, const Extent& extent, int streams) {
    if (!can_be_wavefront(spec, extent) || extent.layers == LayerOrder::in_turn) return false;
    if (extent.layers == LayerOrder::wavefront) return true;
    return streams > 1 && spec.layers.size() > 1 && most_elements(spec, extent) <= kWavefrontMostElements &&
           extent.steps >= kWavefrontFewestPieces * kWavefrontSteps;
}

/// Equal ones, and at least two.
std::int64_t piece_of(std::int64_t steps) {
    const std::int64_t pieces = std::max<std::int64_t>(2, (steps + kWavefrontSteps - 1) / kWavefrontSteps);
    return (steps + pieces - 1) / pieces;
}

}  // namespace

Arrangement arrange(const StackSpec& spec, const Extent& extent, int streams) {
    Arrangement chosen;
    chosen.directions = order_of_directions(spec, extent, streams);
    chosen.wavefront = is_wavefront(spec, extent, streams);
    if (chosen.wavefront) chosen.piece = piece_of(extent.steps);
    // A wavefront's layers have one each, and in training one more for the products of their weights; where there are
    // too few, some products share one with another layer's loop.
    const int layers = static_cast<int>(spec.layers.size());
    const int wanted = chosen.wavefront ? extent.mode == Mode::training ? 2 * layers : layers
                       : chosen.directions == DirectionOrder::in_turn ? 1
                                                                      : 2;
    chosen.streams = std::min(wanted, streams);
    return chosen;
}

}  // namespace rondo
