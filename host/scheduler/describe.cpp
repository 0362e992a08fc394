/// Plans as text, and their parts by name.
#include <iomanip>

#include "rondo/rnn.hpp"

namespace rondo {
namespace {

std::string_view name_of(BufferInfo::Kind kind) {
    switch (kind) {
        case BufferInfo::Kind::prepared:
            return "prepared";
        case BufferInfo::Kind::reserve:
            return "reserve";
        case BufferInfo::Kind::workspace:
            return "workspace";
    }
    return "?";
}

std::string describe(const LayerSpec& layer) {
    std::ostringstream out;
    out << layer.cell << ' ' << layer.hidden;
    if (layer.projection > 0) out << " projected to " << layer.projection;
    if (layer.direction == Direction::reverse) out << ", reverse";
    if (layer.direction == Direction::bidirectional)
        out << ", bidirectional "
            << (layer.merge == Merge::concatenate ? "concatenated"
                : layer.merge == Merge::sum       ? "summed"
                                                  : "averaged");
    out << ", biases " << (layer.biases == Biases::none ? 0 : layer.biases == Biases::one ? 1 : 2);
    if (layer.options.peepholes) out << ", peepholes";
    if (layer.options.coupled) out << ", coupled gates";
    if (layer.options.reset_before) out << ", reset before";
    if (layer.cell_clip > 0) out << ", c clipped to " << layer.cell_clip;
    if (layer.dropout > 0)
        out << ", dropout " << layer.dropout << (layer.dropout_per_sequence ? " (one mask a sequence)" : "");
    if (layer.recurrent_dropout > 0) out << ", recurrent dropout " << layer.recurrent_dropout;
    if (layer.weight_dropout > 0) out << ", weight dropout " << layer.weight_dropout;
    if (layer.zoneout > 0) out << ", zoneout " << layer.zoneout;
    if (layer.zoneout_cell > 0) out << ", zoneout of c " << layer.zoneout_cell;
    return out.str();
}

void describe(std::ostream& out, std::string_view title, const std::vector<Operation>& list) {
    out << title << '\n';
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Operation& op = list[i];
        out << "  " << std::setw(3) << i << "  " << std::left << std::setw(15) << name_of(op.kind) << std::right
            << " layer " << op.layer << " direction " << op.direction << (op.directions > 1 ? " and 1" : "")
            << " steps [" << op.begin << ", " << op.end << ") stream " << op.stream << " workspace " << op.workspace
            << "  " << op.algorithm << " (" << op.reason << ")";
        for (std::size_t k = 0; k < op.after.size(); ++k) out << (k ? ", " : "  after ") << op.after[k];
        out << '\n';
    }
}

}  // namespace

std::string_view name_of(Operation::Kind kind) noexcept {
    switch (kind) {
        case Operation::Kind::mask_input:
            return "mask_input";
        case Operation::Kind::dropout:
            return "dropout";
        case Operation::Kind::input_product:
            return "input_product";
        case Operation::Kind::time_loop:
            return "time_loop";
        case Operation::Kind::weight_product:
            return "weight_product";
        case Operation::Kind::input_gradient:
            return "input_gradient";
        case Operation::Kind::observe:
            return "observe";
    }
    return "?";
}

std::string_view name_of(DirectionOrder order) noexcept {
    switch (order) {
        case DirectionOrder::automatic:
            return "automatic";
        case DirectionOrder::in_turn:
            return "in_turn";
        case DirectionOrder::streams:
            return "streams";
        case DirectionOrder::batched:
            return "batched";
    }
    return "?";
}

std::string_view name_of(LayerOrder order) noexcept {
    switch (order) {
        case LayerOrder::automatic:
            return "automatic";
        case LayerOrder::in_turn:
            return "in_turn";
        case LayerOrder::wavefront:
            return "wavefront";
    }
    return "?";
}

std::string_view name_of(TimeLoop loop) noexcept {
    switch (loop) {
        case TimeLoop::automatic:
            return "automatic";
        case TimeLoop::steps:
            return "steps";
        case TimeLoop::solo:
            return "solo";
        case TimeLoop::cluster:
            return "cluster";
        case TimeLoop::grid:
            return "grid";
    }
    return "?";
}

const ParameterInfo& Plan::parameter(std::string_view name) const {
    for (const ParameterInfo& p : parameters)
        if (p.name == name) return p;
    refuse("parameter", name, "is not one of this stack's");
}

const BufferInfo& Plan::buffer(BufferInfo::Kind kind, std::string_view name) const {
    for (const BufferInfo& b : buffers)
        if (b.kind == kind && b.name == name) return b;
    refuse("buffer", name, "is not one of this plan's");
}

std::string Plan::to_string() const {
    std::ostringstream out;
    out << "plan on " << device << ", " << spec.precision.name() << ", T " << extent.steps << ", B " << extent.batch
        << (extent.mode == Mode::training ? ", training" : ", inference") << (extent.ragged ? ", ragged" : "") << '\n'
        << "input " << spec.input << ", output " << spec.output() << '\n';
    for (std::size_t l = 0; l < spec.layers.size(); ++l)
        out << "layer " << l << ": " << describe(spec.layers[l]) << '\n';
    if (spec.recurrent_clip.kind != RecurrentClip::Kind::none)
        out << "gradient inside the recurrence clipped by "
            << (spec.recurrent_clip.kind == RecurrentClip::Kind::value ? "value" : "norm") << " to "
            << spec.recurrent_clip.limit << '\n';
    out << "parameters: " << parameter_count << " elements\n";
    for (const ParameterInfo& p : parameters)
        out << "  " << std::setw(12) << p.offset << "  " << p.name << ' ' << p.shape << '\n';
    out << "states\n";
    for (const StateInfo& s : states) out << "  " << s.name << " [" << extent.batch << ", " << s.width << "]\n";
    out << "buffers: prepared " << prepared_bytes << ", reserve " << reserve_bytes << ", workspace " << workspace_bytes
        << " bytes\n";
    for (const BufferInfo& b : buffers)
        out << "  " << std::left << std::setw(9) << name_of(b.kind) << std::right << ' ' << std::setw(12) << b.offset
            << ' ' << std::setw(12) << b.bytes << "  " << b.name << '\n';
    describe(out, "forward", forward);
    if (!backward.empty()) describe(out, "backward", backward);
    return out.str();
}

}  // namespace rondo
