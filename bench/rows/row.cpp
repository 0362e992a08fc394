#include "rows/row.hpp"

namespace rondo::bench {

std::string Row::name() const {
    std::string orders;
    if (direction_order != DirectionOrder::automatic)
        orders += detail::concat("/directions=", name_of(direction_order));
    if (layer_order != LayerOrder::automatic) orders += detail::concat("/layers=", name_of(layer_order));
    if (loop != TimeLoop::automatic) orders += detail::concat("/loop=", name_of(loop));
    return detail::concat(cell, "/", dtype, "/H", hidden, "/I", input, "/B", batch, "/T", steps, "/L", layers, "/D",
                          directions, "/", pass(), ragged ? "/ragged" : "",
                          projection > 0 ? detail::concat("/P", projection) : "",
                          cell_clip > 0 ? detail::concat("/clip", cell_clip) : "",
                          biases == Biases::two   ? ""
                          : biases == Biases::one ? "/one_bias"
                                                  : "/no_bias",
                          carried ? "/carried" : "", orders);
}

StackSpec Row::stack() const {
    LayerSpec layer;
    layer.cell = cell;
    layer.hidden = hidden;
    layer.direction = directions == 2 ? Direction::bidirectional : Direction::forward;
    layer.biases = biases;
    layer.projection = projection;
    layer.cell_clip = cell_clip;
    StackSpec spec;
    spec.input = input;
    spec.layers.assign(static_cast<std::size_t>(layers), layer);
    spec.precision = Precision::parse(dtype);
    return spec;
}

Extent Row::extent() const {
    return {steps,       batch, training ? Mode::training : Mode::inference, ragged, training, direction_order,
            layer_order, loop};
}

}  // namespace rondo::bench
