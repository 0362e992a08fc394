#include "model/graph.hpp"

#include <algorithm>
#include <map>

namespace rondo::model {
namespace {

/// Every block begins on a multiple of so many elements: 64 bytes in f32.
constexpr std::int64_t kAlignment = 16;

void require_name(std::string_view field, const std::string& name) {
    require(!name.empty() && name.find('.') == std::string::npos, field, name, "must be a name without dots");
}

/// Runs f and says in which node it failed.
template <class F>
auto in_node(const std::string& node, F f) {
    try {
        return f();
    } catch (const Error& e) {
        throw Error(e.code(), detail::concat("node ", node, ": ", e.what()));
    }
}

}  // namespace

Graph::Graph(const NetworkSpec& spec, std::span<const std::string> exports) {
    require(!spec.nodes.empty(), "nodes", "[]", "must not be empty");
    add_inputs(spec);
    for (const Node& node : spec.nodes) add_node(spec, node);
    for (const std::string& name : exports) {
        GraphValue& exported = values[static_cast<std::size_t>(value(name))];
        exported.readers += exported.exported ? 0 : 1;
        exported.exported = true;
    }
    for (std::size_t i = 0; i < inputs.size(); ++i)  // padding is -1 in the one and 0 in the other
        require(!inputs[i].is_target || inputs[i].classes == 0, "input", spec.inputs[i].name,
                "cannot be both a target and the ids of an embedding: give it as two inputs");
    lay_out(spec);
}

int Graph::value(std::string_view name) const {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i].name == name) return static_cast<int>(i);
    refuse("value", name, "is no value of this network");
}

void Graph::add_inputs(const NetworkSpec& spec) {
    for (const InputSpec& input : spec.inputs) {
        require_name("input", input.name);
        require(std::none_of(values.begin(), values.end(), [&](auto& v) { return v.name == input.name; }), "input",
                input.name, "is there twice");
        const bool ids = input.dtype == DType::i32;
        require(ids || input.dtype == spec.precision.storage || input.dtype == spec.precision.state, input.name,
                input.dtype, detail::concat("must be i32 or ", spec.precision.storage));
        require(ids ? input.width == 0 : input.width >= 1, detail::concat(input.name, ".width"), input.width,
                "must be 0 for ids and at least 1 for numbers");
        require(!ids || !input.gradient, detail::concat(input.name, ".gradient"), true, "ids have no gradient");
        GraphValue value;
        value.name = input.name;
        value.input = static_cast<int>(values.size());
        value.differentiable = input.gradient;
        values.push_back(value);
        inputs.emplace_back();
    }
}

void Graph::add_node(const NetworkSpec& spec, const Node& node) {
    require_name("node", node.name);
    require(std::none_of(nodes.begin(), nodes.end(), [&](auto& n) { return n.name == node.name; }), "node", node.name,
            "is there twice");
    GraphNode made;
    made.name = node.name;
    in_node(node.name, [&] {
        made.module = make_module(node.module, spec.precision);
        connect(made, node);
        if (made.module->is_loss()) check_loss(made);
    });
    nodes.push_back(std::move(made));
}

void Graph::connect(GraphNode& node, const Node& spec) {
    const Module& module = *node.module;
    const auto count = static_cast<int>(spec.inputs.size());
    require(count >= module.required_inputs() && count <= module.inputs(), "inputs", count,
            detail::concat("must be ", module.required_inputs(), " to ", module.inputs()));
    require(static_cast<int>(spec.outputs.size()) <= module.outputs(), "outputs", spec.outputs.size(),
            detail::concat("must be at most ", module.outputs()));
    bool differentiable = !module.blocks().empty();
    for (int i = 0; i < module.inputs(); ++i) {
        const bool given = i < count && !spec.inputs[static_cast<std::size_t>(i)].empty();
        require(given || i >= module.required_inputs(), "inputs", "empty", "a required input has no name");
        node.inputs.push_back(given ? value(spec.inputs[static_cast<std::size_t>(i)]) : kAbsentValue);
        if (!given) continue;
        GraphValue& read = values[static_cast<std::size_t>(node.inputs.back())];
        ++read.readers;
        differentiable = differentiable || read.differentiable;
        if (const std::int64_t classes = module.classes(i); classes > 0 && read.input >= 0) {
            std::int64_t& limit = inputs[static_cast<std::size_t>(read.input)].classes;
            limit = limit == 0 ? classes : std::min(limit, classes);
        }
    }
    for (int o = 0; o < module.outputs(); ++o) {
        const std::string name =
            o < static_cast<int>(spec.outputs.size()) ? spec.outputs[static_cast<std::size_t>(o)] : "";
        node.outputs.push_back(name.empty() ? kAbsentValue : static_cast<int>(values.size()));
        if (name.empty()) continue;
        require_name("output", name);
        require(std::none_of(values.begin(), values.end(), [&](auto& v) { return v.name == name; }), "output", name,
                "is the name of another value");
        GraphValue made;
        made.name = name;
        made.producer = static_cast<int>(nodes.size());
        made.differentiable = differentiable && module.differentiable(o);
        values.push_back(made);
    }
    require(module.is_loss() || std::any_of(node.outputs.begin(), node.outputs.end(), [](int v) { return v >= 0; }),
            "outputs", "[]", "must name at least one");
    node.carried = module.carried();
    for (std::size_t s = 0; s < node.carried.size() && module.state_port() >= 0; ++s)
        if (node.inputs[static_cast<std::size_t>(module.state_port()) + s] != kAbsentValue) node.carried[s].width = 0;
}

void Graph::check_loss(const GraphNode& node) {
    const int target = values[static_cast<std::size_t>(node.inputs[1])].input;
    require(target >= 0, "target", values[static_cast<std::size_t>(node.inputs[1])].name,
            "must be an input of the network");
    InputCheck& check = inputs[static_cast<std::size_t>(target)];
    require(!check.is_target, "target", values[static_cast<std::size_t>(node.inputs[1])].name,
            "is the target of another loss: give it as a second input");
    require(!values[static_cast<std::size_t>(target)].differentiable, "target",
            values[static_cast<std::size_t>(target)].name, "must not ask for a gradient");
    check.is_target = true;
    check.prediction = node.inputs[0];
    check.aligned = node.module->aligned();
    check.target_classes = node.module->target_classes();
    check.forbidden = node.module->forbidden();
}

/// Blocks one after the other, each aligned; tied ones where their owner lies.
void Graph::lay_out(const NetworkSpec& spec) {
    std::map<std::string, int> single;  // tensors that are blocks of their own
    std::map<std::string, const Tie*> ties;
    for (const Tie& tie : spec.ties)
        require(ties.emplace(tie.parameter, &tie).second, "ties", tie.parameter, "is tied twice");
    std::map<std::string, Shape> shapes;
    for (GraphNode& node : nodes) {
        for (const ParameterBlock& block : node.module->blocks()) {
            const std::string first = node.name + "." + block.tensors[0].name;
            if (const auto tie = ties.find(first); tie != ties.end() && block.tensors.size() == 1) {
                const auto owner = single.find(tie->second->same_as);
                require(owner != single.end(), "ties", tie->second->same_as,
                        "must be a tensor of an earlier node that is no part of a stack");
                require(shapes.at(owner->first) == block.tensors[0].shape, first, block.tensors[0].shape,
                        detail::concat("must have the shape of ", owner->first, ", ", shapes.at(owner->first)));
                node.blocks.push_back(owner->second);
                ties.erase(tie);
                continue;
            }
            node.blocks.push_back(static_cast<int>(blocks.size()));
            if (block.tensors.size() == 1) {
                single.emplace(first, static_cast<int>(blocks.size()));
                shapes.emplace(first, block.tensors[0].shape);
            }
            for (const TensorSpec& tensor : block.tensors) {
                parameters.push_back(
                    {node.name + "." + tensor.name, tensor.shape, parameter_count + tensor.offset, tensor.bias});
                tensors.push_back(tensor);
            }
            blocks.push_back({parameter_count, block.count});
            parameter_count += (block.count + kAlignment - 1) / kAlignment * kAlignment;
        }
    }
    if (!ties.empty())
        refuse("ties", ties.begin()->first, "is no tensor of this network that can be tied (a stack's cannot)");
}

}  // namespace rondo::model
