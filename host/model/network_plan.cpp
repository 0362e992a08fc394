#include "model/network_plan.hpp"

#include <algorithm>

namespace rondo::model {
namespace {

using Kind = Ledger::Kind;

std::vector<const ValueInfo*> infos_of(const std::vector<PlannedValue>& values, const std::vector<int>& ports) {
    std::vector<const ValueInfo*> infos;
    for (int v : ports) infos.push_back(v != kAbsentValue && values[at(v)].present ? &values[at(v)].info : nullptr);
    return infos;
}

}  // namespace

NetworkPlan::NetworkPlan(const Graph& graph, const NetworkSpec& spec, Mode run_mode, bool observed,
                         std::vector<InputExtent> shapes, std::vector<InnerInput> inner_inputs)
    : mode(run_mode),
      observe(observed),
      extents(std::move(shapes)),
      inner(std::move(inner_inputs)),
      values(graph.values.size()),
      inputs(graph.inputs.size()),
      nodes(graph.nodes.size()),
      lengths(graph.inputs.size(), nullptr) {
    infer_inputs(graph, spec);
    for (std::size_t n = 0; n < nodes.size(); ++n) infer_node(graph, n);
    for (std::size_t n = 0; n < nodes.size(); ++n)
        if (nodes[n].active && graph.nodes[n].module->is_loss()) backward_order.push_back(static_cast<int>(n));
    for (std::size_t n = nodes.size(); n-- > 0;)
        if (nodes[n].active && !graph.nodes[n].module->is_loss()) backward_order.push_back(static_cast<int>(n));
    if (mode == Mode::training) mark_backward(graph);
    place_values(graph);
    plan_modules(graph);
    forward_bytes = ledger.workspace_offset();
    if (mode == Mode::training) place_gradients(graph);
}

void NetworkPlan::infer_inputs(const Graph& graph, const NetworkSpec& spec) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const InputExtent& extent = extents[i];
        if (!extent.present) continue;
        const InputSpec& input = spec.inputs[i];
        const int rank = extent.shape.rank() - (input.width > 0 ? 1 : 0);
        require(rank == 1 || rank == 2, input.name, extent.shape,
                input.width > 0 ? "must be [T,B,width] or [B,width]" : "must be [T,B] or [B]");
        require(input.width == 0 || extent.shape[extent.shape.rank() - 1] == input.width, input.name, extent.shape,
                detail::concat("must have ", input.width, " as last extent"));
        require(extent.shape.size() > 0, input.name, extent.shape, "must not be empty");
        require(!extent.ragged || rank == 2, input.name, extent.shape, "has lengths, but no steps");
        PlannedValue& value = values[i];
        value.present = true;
        value.info = {input.dtype, extent.shape, extent.ragged ? static_cast<int>(i) : -1};
        if (!inner.empty()) {
            value.info.lengths = inner[i].lengths;
            continue;
        }
        value.data = ledger.book(Kind::input, input.name, value.info.bytes());
        if (extent.ragged) {
            inputs[i].lengths =
                ledger.book(Kind::input, input.name + ".lengths", extent.shape[1] * size_of(DType::i64));
            if (input.width == 0) inputs[i].staged.resize(static_cast<std::size_t>(extent.shape.size()));
        }
        if (graph.inputs[i].is_target)
            inputs[i].targets_before.resize(static_cast<std::size_t>(rank == 2 ? extent.shape[0] : 1) + 1);
    }
}

void NetworkPlan::infer_node(const Graph& graph, std::size_t n) {
    const GraphNode& node = graph.nodes[n];
    const auto infos = infos_of(values, node.inputs);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (infos[i] || node.inputs[i] == kAbsentValue) continue;
        if (node.module->is_loss()) return;
        refuse("input", graph.values[at(node.inputs[i])].name, detail::concat("is needed by node ", node.name));
    }
    nodes[n].active = true;
    std::vector<ValueInfo> outputs;
    try {
        outputs = node.module->infer(infos);
    } catch (const Error& e) {
        throw Error(e.code(), detail::concat("node ", node.name, ": ", e.what()));
    }
    for (std::size_t o = 0; o < node.outputs.size(); ++o) {
        if (node.outputs[o] == kAbsentValue) continue;
        PlannedValue& value = values[at(node.outputs[o])];
        value.present = true;
        value.info = outputs[o];
    }
    if (batch == 0 && !node.carried.empty()) batch = outputs[0].batch();
}

/// From the losses back: whose gradient is needed. Sets edges and PlannedNode::backward.
void NetworkPlan::mark_backward(const Graph& graph) {
    std::vector<char> wanted(values.size(), 0);
    for (std::size_t v = 0; v < values.size(); ++v)
        wanted[v] = graph.values[v].exported && graph.values[v].differentiable;
    for (int n : backward_order) {
        const GraphNode& node = graph.nodes[at(n)];
        PlannedNode& planned = nodes[at(n)];
        planned.backward = node.module->is_loss() || std::any_of(node.outputs.begin(), node.outputs.end(), [&](int v) {
                               return v != kAbsentValue && wanted[at(v)];
                           });
        if (!planned.backward) continue;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const int v = node.inputs[i];
            if (v == kAbsentValue || !graph.values[at(v)].differentiable) continue;
            if (const int input = graph.values[at(v)].input; input >= 0 && !inner.empty() && !inner[at(input)].gradient)
                continue;
            planned.edges.push_back({static_cast<int>(i), !wanted[at(v)]});
            wanted[at(v)] = 1;
        }
    }
}

void NetworkPlan::place_values(const Graph& graph) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        const GraphNode& node = graph.nodes[n];
        if (!nodes[n].active) continue;
        for (int v : node.outputs) {
            if (v == kAbsentValue) continue;
            const GraphValue& from = graph.values[at(node.inputs[0])];
            if (node.module->forward_in_place() && from.readers == 1 && from.producer >= 0) {
                values[at(v)].data = values[at(node.inputs[0])].data;
                values[at(node.inputs[0])].data_reused = true;
            } else {
                values[at(v)].data = ledger.book(Kind::value, graph.values[at(v)].name, values[at(v)].info.bytes());
            }
        }
    }
}

void NetworkPlan::place_gradients(const Graph& graph) {
    const auto book = [&](std::size_t v) {
        values[v].gradient = ledger.book(Kind::gradient, "d" + graph.values[v].name, values[v].info.bytes());
    };
    for (std::size_t v = 0; v < values.size(); ++v)
        if (values[v].present && graph.values[v].exported && graph.values[v].differentiable) book(v);
    for (int n : backward_order) {
        const GraphNode& node = graph.nodes[at(n)];
        for (GradientEdge& edge : nodes[at(n)].edges) {
            const int v = node.inputs[at(edge.input)];
            PlannedValue& value = values[at(v)];
            const GraphValue& info = graph.values[at(v)];
            if (!edge.first) {
                edge.scratch =
                    ledger.book(Kind::gradient, detail::concat("d", info.name, ".of_", node.name), value.info.bytes());
                continue;
            }
            const bool alone = edge.input == 0 && info.readers == 1 && node.module->gradient_in_place();
            if (alone && node.module->is_loss() && info.producer >= 0) {
                value.gradient = value.data;
                for (PlannedValue& other : values) other.replaced = other.replaced || other.data == value.data;
            } else if (alone && !node.module->is_loss()) {
                PlannedValue& made = values[at(node.outputs[0])];
                value.gradient = made.gradient;
                made.gradient_replaced = true;
            } else {
                book(at(v));
            }
        }
    }
}

void NetworkPlan::plan_modules(const Graph& graph) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        const GraphNode& node = graph.nodes[n];
        PlannedNode& planned = nodes[n];
        if (!planned.active) continue;
        const auto in = infos_of(values, node.inputs), out = infos_of(values, node.outputs);
        const auto wanted = std::make_unique<bool[]>(in.size());
        for (const GradientEdge& edge : planned.edges) wanted[at(edge.input)] = true;
        planned.module = node.module->plan(
            {node.name, mode, observe && planned.backward, in, out, std::span<const bool>(wanted.get(), in.size())},
            ledger);
        planned.inputs.resize(node.inputs.size());
        planned.outputs.resize(node.outputs.size());
        planned.blocks.resize(node.blocks.size());
    }
}

std::byte* NetworkPlan::place_of(std::int64_t offset) const {
    if (offset == kNoBuffer) return nullptr;
    return arena + offset + (offset >= forward_bytes ? gradient_shift : 0);
}

std::byte* NetworkPlan::gradient_of(const PlannedValue& value) const { return place_of(value.gradient); }

void NetworkPlan::add_scratch(const Graph& graph, std::size_t n, Backend& backend, Stream stream) const {
    for (const GradientEdge& edge : nodes[n].edges) {
        if (edge.scratch == kNoBuffer) continue;
        const PlannedValue& value = values[at(graph.nodes[n].inputs[at(edge.input)])];
        backend.add(value.info.dtype, gradient_of(value), place_of(edge.scratch), value.info.shape.size(), stream);
    }
}

void NetworkPlan::bind(const Graph& graph, std::byte* base, std::span<const BlockPlace> blocks, std::int64_t shift) {
    if (arena == base && gradient_shift == shift) return;
    arena = base;
    gradient_shift = shift;
    const auto place = [&](int v) -> Place {
        if (v == kAbsentValue || !values[at(v)].present) return {};
        const PlannedValue& value = values[at(v)];
        return {&value.info, place_of(value.data), gradient_of(value)};
    };
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        PlannedNode& planned = nodes[n];
        const GraphNode& node = graph.nodes[n];
        if (!planned.active) continue;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            planned.inputs[i] = place(node.inputs[i]);
            planned.inputs[i].gradient = nullptr;
        }
        for (const GradientEdge& edge : planned.edges)
            planned.inputs[at(edge.input)].gradient =
                edge.first ? place(node.inputs[at(edge.input)]).gradient : place_of(edge.scratch);
        for (std::size_t o = 0; o < node.outputs.size(); ++o) planned.outputs[o] = place(node.outputs[o]);
        for (std::size_t b = 0; b < node.blocks.size(); ++b) planned.blocks[b] = blocks[at(node.blocks[b])];
    }
    for (std::size_t i = 0; inner.empty() && i < inputs.size(); ++i)
        lengths[i] =
            inputs[i].lengths == kNoBuffer ? nullptr : reinterpret_cast<const std::int64_t*>(base + inputs[i].lengths);
}

}  // namespace rondo::model
