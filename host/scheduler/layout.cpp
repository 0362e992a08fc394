/// The parameter array and the list of states: their names, shapes and places.
#include "scheduler/program.hpp"

namespace rondo {
namespace {

/// Every tensor begins on a multiple of this many elements: 64 bytes in f32.
constexpr std::int64_t kAlignment = 16;

class ParameterList {
public:
    ParameterList(Plan& plan, int layer, bool reverse)
        : plan_(plan),
          layer_(layer),
          suffix_(detail::concat("_l", layer, reverse ? "_reverse" : "")),
          reverse_(reverse) {}

    std::int64_t add(std::string_view name, Shape shape) {
        const std::int64_t offset = plan_.parameter_count;
        plan_.parameters.push_back({std::string(name) + suffix_, shape, offset, layer_, reverse_ ? 1 : 0});
        plan_.parameter_count = (offset + shape.size() + kAlignment - 1) / kAlignment * kAlignment;
        return offset;
    }
    void add_state(std::string_view name, int index, std::int64_t width) {
        plan_.states.push_back({std::string(name) + suffix_, layer_, reverse_ ? 1 : 0, index, width});
    }

private:
    Plan& plan_;
    int layer_;
    std::string suffix_;
    bool reverse_;
};

LoopProgram lay_out_loop(ParameterList list, const LayerProgram& layer, bool reverse, std::size_t first_state) {
    const LayerSpec& spec = layer.spec;
    const CellInfo& cell = layer.cell;
    const std::int64_t rows = cell.gates * spec.hidden;
    LoopProgram loop;
    loop.reverse = reverse;
    loop.first_state = first_state;
    loop.parameters.w_ih = list.add("weight_ih", {rows, layer.input});
    if (!cell.scanned()) loop.parameters.w_hh = list.add("weight_hh", {rows, spec.width()});
    if (spec.biases != Biases::none && !cell.row_wise) loop.parameters.b_ih = list.add("bias_ih", {rows});
    if (spec.biases == Biases::two && !cell.scanned() && !cell.row_wise)
        loop.parameters.b_hh = list.add("bias_hh", {rows});
    if (spec.projection > 0) loop.parameters.w_hr = list.add("weight_hr", {spec.projection, spec.hidden});
    if (cell.vectors > 0) loop.parameters.vectors = list.add(cell.vector_name, {cell.vectors * spec.hidden});
    for (int s = 0; s < cell.states; ++s)
        list.add_state(cell.state_names[static_cast<std::size_t>(s)], s, layer.width(s));
    return loop;
}

}  // namespace

void lay_out(const StackSpec& spec, Plan& plan, Program& program) {
    std::int64_t input = spec.input;
    for (std::size_t l = 0; l < spec.layers.size(); ++l) {
        LayerProgram layer;
        layer.spec = spec.layers[l];
        layer.cell = cell_info(layer.spec.cell, layer.spec.options);
        layer.input = input;
        for (int d = 0; d < layer.spec.directions(); ++d) {
            // A layer that only runs in reverse has "_reverse" names alone, so that names tell the direction.
            const bool reverse = d == 1 || layer.spec.direction == Direction::reverse;
            layer.loops.push_back(
                lay_out_loop(ParameterList(plan, static_cast<int>(l), reverse), layer, reverse, plan.states.size()));
        }
        input = layer.spec.output();
        program.layers.push_back(std::move(layer));
    }
}

}  // namespace rondo
