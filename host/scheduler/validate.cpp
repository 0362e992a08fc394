/// What a stack and an extent may be.
#include "scheduler/validate.hpp"

#include <cmath>

#include "rondo/rnn.hpp"
#include "scheduler/cell_info.hpp"

namespace rondo {
namespace {

void validate_noise(const LayerSpec& layer, const CellInfo& cell, const std::string& at) {
    const auto check = [&](const char* field, double rate, bool possible, const char* why) {
        require(rate >= 0 && rate < 1, at + field, rate, "must be in [0, 1)");
        require(rate == 0 || possible, at + field, rate, detail::concat("must be 0 for ", cell.name, ", ", why));
    };
    check("recurrent_dropout", layer.recurrent_dropout, cell.stages.size() == 1,
          cell.scanned() ? "which has no recurrent product" : "whose second product is not of h");
    check("weight_dropout", layer.weight_dropout, !cell.scanned(), "which has no recurrent product");
    check("zoneout", layer.zoneout, layer.projection == 0, "where h is projected");
    check("zoneout_cell", layer.zoneout_cell, cell.states == 2, "which has no c, or one that goes with other states");
}

void validate_layer(const LayerSpec& layer, const std::string& at) {
    const CellInfo cell = cell_info(layer.cell, layer.options);
    require(layer.hidden >= 1, at + "hidden", layer.hidden, "must be at least 1");
    require(layer.projection >= 0, at + "projection", layer.projection, "must be 0 (none) or a width");
    require(layer.projection == 0 || cell.projectable, at + "projection", layer.projection,
            detail::concat("must be 0 for ", cell.name, ", only lstm projects h"));
    require(layer.projection == 0 || layer.projection < layer.hidden, at + "projection", layer.projection,
            "must be smaller than hidden");
    require(std::isfinite(layer.cell_clip) && layer.cell_clip >= 0, at + "cell_clip", layer.cell_clip,
            "must be 0 (none) or a positive limit");
    require(layer.cell_clip == 0 || cell.clippable, at + "cell_clip", layer.cell_clip,
            detail::concat("must be 0 for ", cell.name, ", which has no c"));
    require(layer.dropout >= 0 && layer.dropout < 1, at + "dropout", layer.dropout, "must be in [0, 1)");
    require(!layer.dropout_per_sequence || layer.dropout > 0, at + "dropout_per_sequence", true,
            "needs a dropout rate above 0");
    validate_noise(layer, cell, at);
    require(layer.merge == Merge::concatenate || layer.direction == Direction::bidirectional, at + "merge",
            layer.merge == Merge::sum ? "sum" : "average", "needs a bidirectional layer");
}

}  // namespace

void validate(const StackSpec& spec) {
    require(spec.input >= 1, "input", spec.input, "must be at least 1");
    require(!spec.layers.empty(), "layers", "[]", "must name at least one layer");
    for (std::size_t l = 0; l < spec.layers.size(); ++l)
        validate_layer(spec.layers[l], detail::concat("layers[", l, "]."));
    const RecurrentClip& clip = spec.recurrent_clip;
    require(std::isfinite(clip.limit) && clip.limit >= 0, "recurrent_clip.limit", clip.limit, "must be finite");
    require((clip.kind == RecurrentClip::Kind::none) == (clip.limit == 0), "recurrent_clip.limit", clip.limit,
            "must be above 0 with a kind of clipping, and 0 without");
    for (const LayerSpec& layer : spec.layers)
        require(
            clip.kind == RecurrentClip::Kind::none || !cell_info(layer.cell, layer.options).scanned(),
            "recurrent_clip.limit", clip.limit,
            detail::concat("must be 0 with a layer of ", layer.cell, ", whose gradient has no steps to be clipped at"));
}

void validate(const Extent& extent) {
    require(extent.steps >= 1, "steps", extent.steps, "must be at least 1");
    require(extent.batch >= 1, "batch", extent.batch, "must be at least 1");
    require(!extent.observe || extent.mode == Mode::training, "observe", true,
            "needs training: inference has no gradient");
}

void check_addressable(const StackSpec& spec, const Extent& extent) {
    const double rows = static_cast<double>(extent.steps + 1.0) * static_cast<double>(extent.batch);
    double input = static_cast<double>(spec.input), elements = rows * input;
    for (const LayerSpec& layer : spec.layers) {
        // Wider than any buffer of this layer, and generous: gates, their gradients, states and saved planes.
        const double columns = 16.0 * static_cast<double>(layer.hidden);
        const double width = static_cast<double>(layer.projection > 0 ? layer.projection : layer.hidden);
        elements += layer.directions() * columns * (rows + input + width + 64.0);
        input = width * layer.directions();
    }
    require(elements < 0x1p56, "steps and widths", detail::concat(extent.steps, " steps of ", extent.batch, " rows"),
            "need more memory than can be addressed");
}

}  // namespace rondo
