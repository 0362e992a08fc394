#include "model/modules/loop_body.hpp"

#include <algorithm>

#include "scheduler/program.hpp"

namespace rondo::model {
LoopBody::LoopBody(const LoopSpec& spec, const Precision& precision)
    : steps(static_cast<int>(spec.steps.size())), whole(static_cast<int>(spec.whole.size())), outputs(spec.outputs) {
    require(!spec.steps.empty(), "steps", "[]", "must name at least one input");
    require(!spec.outputs.empty(), "outputs", "[]", "must name at least one value");
    network.precision = precision;
    for (const std::vector<InputSpec>* list : {&spec.steps, &spec.whole})
        for (InputSpec input : *list) {
            input.gradient = input.width > 0;
            network.inputs.push_back(std::move(input));
        }
    network.nodes = spec.body;
    for (Node& node : network.nodes) {
        check(node);
        if (const auto* stack = std::get_if<StackSpec>(&node.module)) open(node, *stack, precision);
    }
    for (const LoopSpec::Feedback& f : spec.feedback) {
        const DType dtype = f.width > 0 ? precision.storage : DType::i32;
        states.push_back({f.as, f.value, dtype, f.width, false});
        network.inputs.push_back({f.as, dtype, f.width, f.width > 0});
    }
}

void LoopBody::check(const Node& node) const {
    const auto refuse_it = [&](const char* why) { refuse("body", node.name, why); };
    if (std::holds_alternative<LoopSpec>(node.module)) refuse_it("is a loop in a loop");
    if (std::holds_alternative<PositionSpec>(node.module)) refuse_it("would be at position 0 in every step");
    if (const auto* attention = std::get_if<AttentionSpec>(&node.module); attention && attention->causal)
        refuse_it("would see one step alone");
}

/// The states that a stack would carry become inputs and outputs.
void LoopBody::open(Node& node, const StackSpec& stack, const Precision& precision) {
    for (const LayerSpec& layer : stack.layers)
        require(layer.direction == Direction::forward, "direction", node.name,
                "must be forward in a loop, which sees one step at a time");
    for (const LayerSpec& layer : stack.layers)
        require(!layer.dropout_per_sequence && layer.recurrent_dropout == 0 && layer.weight_dropout == 0, "layers",
                node.name, "must not draw masks for a whole sequence in a loop, where each step draws its own");
    Plan layout;
    Program program;
    lay_out(stack, layout, program);
    const std::size_t ports = layout.states.size() + 1;
    node.inputs.resize(std::max(node.inputs.size(), ports));
    node.outputs.resize(std::max(node.outputs.size(), ports));
    for (std::size_t s = 0; s < layout.states.size(); ++s) {
        const StateInfo& state = layout.states[s];
        if (!node.inputs[s + 1].empty()) continue;
        // Hardly a name that somebody gave; if it is, the graph refuses the second one.
        const std::string name = node.name + ":" + state.name;
        node.inputs[s + 1] = name;
        if (node.outputs[s + 1].empty()) node.outputs[s + 1] = name + "'";
        const DType dtype = state.index == 0 ? precision.storage : precision.state;
        states.push_back({node.name + "." + state.name, node.outputs[s + 1], dtype, state.width, true});
        network.inputs.push_back({name, dtype, state.width, true});
    }
}

std::vector<std::string> LoopBody::exports() const {
    std::vector<std::string> names = outputs;
    for (const LoopState& s : states) names.push_back(s.value);
    return names;
}

LoopLengths::LoopLengths(const LoopBody& body, std::span<const ValueInfo* const> inputs) {
    for (int i = 0; i < body.steps; ++i) {
        const int lengths = inputs[at(i)]->lengths;
        require(lengths < 0 || steps < 0 || lengths == steps, "lengths", body.network.inputs[at(i)].name,
                "must be those of one input for all that is read step by step");
        if (lengths >= 0) steps = lengths;
    }
    int most = steps;
    for (int i = body.steps; i < body.steps + body.whole; ++i) most = std::max(most, inputs[at(i)]->lengths);
    if (steps >= 0) inner = most + 1;
    for (int i = 0; i < static_cast<int>(body.network.inputs.size()); ++i)
        of_input.push_back(i < body.steps                ? (inputs[at(i)]->lengths < 0 ? -1 : inner)
                           : i < body.steps + body.whole ? inputs[at(i)]->lengths
                           : body.states[at(i - body.steps - body.whole)].vector ? -1
                                                                                 : inner);
}

std::unique_ptr<NetworkPlan> plan_step(const Graph& graph, const LoopBody& body, Mode mode, bool observe,
                                       std::span<const ValueInfo* const> inputs, std::span<const bool> wanted) {
    const LoopLengths lengths(body, inputs);
    const Shape& first = inputs[0]->shape;
    std::vector<InputExtent> extents;
    std::vector<InnerInput> inner;
    for (int i = 0; i < static_cast<int>(body.network.inputs.size()); ++i) {
        Shape shape;
        bool gradient = true;
        if (i < body.steps) {
            shape.append(1);
            for (int d = 1; d < inputs[at(i)]->shape.rank(); ++d) shape.append(inputs[at(i)]->shape[d]);
            gradient = wanted[at(i)];
        } else if (i < body.steps + body.whole) {
            shape = inputs[at(i)]->shape;
            gradient = wanted[at(i)];
        } else {
            shape = body.states[at(i - body.steps - body.whole)].inner_shape(first[1]);
        }
        extents.push_back({true, false, shape});
        inner.push_back({lengths.of_input[at(i)], gradient});
    }
    return std::make_unique<NetworkPlan>(graph, body.network, mode, observe, std::move(extents), std::move(inner));
}

}  // namespace rondo::model
