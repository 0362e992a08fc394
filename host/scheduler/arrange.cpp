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

/// A piece of a layer's output must be final once the layer has taken it, and whole to the layer above.
bool can_be_wavefront(const StackSpec& spec, const Extent& extent) {
    if (spec.layers.size() < 2 || extent.steps < 2) return false;
    const Direction direction = spec.layers[0].direction;
    if (direction == Direction::bidirectional) return false;
    for (std::size_t l = 1; l < spec.layers.size(); ++l) {
        // Dropout draws for a layer's whole input at once.
        const bool drops_out = extent.mode == Mode::training && spec.layers[l].dropout > 0;
        if (spec.layers[l].direction != direction || drops_out) return false;
    }
    return true;
}

bool is_wavefront(const StackSpec& spec, const Extent& extent, int streams) {
    if (!can_be_wavefront(spec, extent) || extent.layers == LayerOrder::in_turn) return false;
    if (extent.layers == LayerOrder::wavefront) return true;
    return streams > 1 && most_elements(spec, extent) <= kWavefrontMostElements &&
           extent.steps >= kWavefrontFewestPieces * kWavefrontSteps;
}

/// Equal ones, and at least two.
std::int64_t piece_of(std::int64_t steps) {
    const std::int64_t pieces = std::max<std::int64_t>(2, (steps + kWavefrontSteps - 1) / kWavefrontSteps);
    return (steps + pieces - 1) / pieces;
}

}  // namespace

Arrangement arrange(const StackSpec& spec, const Extent& extent, int streams) {
    const bool wavefront = is_wavefront(spec, extent, streams);
    return {order_of_directions(spec, extent, streams), wavefront, wavefront ? piece_of(extent.steps) : 0};
}

}  // namespace rondo
