/// Runs a network: forward over the nodes, and one walk back. The losses between them: network_losses.cpp.
#include "rondo/network.hpp"

#include <algorithm>

#include "model/network_impl.hpp"
#include "rondo/philox.hpp"

namespace rondo {

void validate(const NetworkSpec& spec) { model::Graph{spec}; }

Network::Impl::Impl(Device on, NetworkSpec described) : device(std::move(on)), spec(std::move(described)), graph(spec) {
    backend().check(spec.precision);
    const std::size_t count = graph.nodes.size();
    const auto nodes = static_cast<std::int64_t>(count);
    const std::int64_t array = std::max<std::int64_t>(1, graph.parameter_count) * element();
    parameters = model::DeviceBuffer(device, array);
    gradients = model::DeviceBuffer(device, array);
    random = model::DeviceBuffer(device, nodes * static_cast<std::int64_t>(sizeof(RandomState)));
    sums = model::DeviceBuffer(device, nodes * static_cast<std::int64_t>(sizeof(double)));
    counted = model::DeviceBuffer(device, nodes * static_cast<std::int64_t>(sizeof(std::int64_t)));
    random_staged.resize(count);
    scales = model::DeviceBuffer(device, (nodes + 1) * static_cast<std::int64_t>(sizeof(double)));
    sums_read.resize(count);
    loss_scales.resize(count);
    loss_counted.resize(count);
    block_written.resize(graph.blocks.size());
    for (const model::StorageBlock& block : graph.blocks)
        block_places.push_back(
            {parameters.data() + block.offset * element(), gradients.data() + block.offset * element()});
    for (model::GraphNode& node : graph.nodes) {
        node.module->attach(device);
        carried.emplace_back(node.carried.size(), nullptr);
    }
    const Stream stream{};
    parameters.zero(stream);
    gradients.zero(stream);
    random.zero(stream);
    sums.zero(stream);
    const double unscaled = 1;
    backend().upload(loss_scale(), &unscaled, sizeof unscaled, stream);
    backend().synchronize(stream);
}

Network::Network(Device device, NetworkSpec spec) : impl_(std::make_unique<Impl>(std::move(device), std::move(spec))) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const NetworkSpec& Network::spec() const noexcept { return impl_->spec; }
const Device& Network::device() const noexcept { return impl_->device; }

model::NetworkPlan& Network::Impl::find_plan(std::span<const Sequence> inputs, Mode mode) {
    if (inputs.size() != graph.inputs.size())
        refuse("inputs", inputs.size(), detail::concat("must be ", graph.inputs.size(), ", one a NetworkSpec::inputs"));
    wanted.resize(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].data && inputs[i].data.dtype != spec.inputs[i].dtype)
            refuse(spec.inputs[i].name, inputs[i].data.dtype, detail::concat("must be ", spec.inputs[i].dtype));
        wanted[i] = {static_cast<bool>(inputs[i].data), !inputs[i].lengths.empty(), inputs[i].data.shape};
    }
    const bool observe = observing && mode == Mode::training;
    const auto fits = [&](const auto& plan) {
        return plan->mode == mode && plan->observe == observe && plan->extents == wanted;
    };
    auto found = std::find_if(plans.begin(), plans.end(), fits);
    if (found == plans.end()) {
        // Extents that never come back must not pile up.
        constexpr std::size_t kMostPlans = 64;
        if (plans.size() >= kMostPlans)
            plans.erase(std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p.get() != current; }));
        plans.push_back(std::make_unique<model::NetworkPlan>(graph, spec, mode, observe, wanted));
        found = plans.end() - 1;
    }
    // Asked of known plans as well: the memory may have run out when a larger one was wanted.
    if ((*found)->ledger.bytes() > arena.bytes()) {
        phase = Phase::none;  // what the last forward left is gone
        arena = {};
        arena = model::DeviceBuffer(device, (*found)->ledger.bytes());
    }
    if ((*found)->arena != arena.data()) {
        (*found)->bound = ++bindings;
        (*found)->bind(graph, arena.data(), block_places);
    }
    return **found;
}

void Network::Impl::prepare(Stream stream) {
    if (!parameters_dirty) return;
    for (model::GraphNode& node : graph.nodes) {
        block_data.clear();
        for (int b : node.blocks)
            block_data.push_back(parameters.data() + graph.blocks[static_cast<std::size_t>(b)].offset * element());
        if (!block_data.empty()) node.module->prepare(block_data, stream);
    }
    parameters_dirty = false;
}

model::Call Network::Impl::call(std::size_t n, Stream stream) {
    model::PlannedNode& node = current->nodes[n];
    const bool carries = std::any_of(carried[n].begin(), carried[n].end(), [](void* p) { return p != nullptr; });
    return {backend(),        stream,
            node.inputs,      node.outputs,
            node.blocks,      carries ? std::span<void* const>(carried[n]) : std::span<void* const>(),
            current->arena,   current->arena + current->ledger.workspace_offset(),
            current->lengths, random.as<RandomState>() + n};
}

void Network::set_random(RandomState state, Stream stream) {
    // A node's seed is its own: two stacks, or two dropouts, must not draw the same masks.
    for (std::size_t n = 0; n < impl_->random_staged.size(); ++n)
        impl_->random_staged[n] = {philox_subseed(state.seed, n), state.step};
    impl_->backend().upload(impl_->random.data(), impl_->random_staged.data(),
                            impl_->random_staged.size() * sizeof(RandomState), stream);
}

void Network::feed(std::span<const Sequence> inputs, Mode mode, Stream stream) {
    Impl& m = *impl_;
    model::NetworkPlan& plan = m.find_plan(inputs, mode);
    m.phase = Impl::Phase::none;
    m.reduced = m.was_replayed = false;
    m.current = &plan;
    m.upload(inputs, stream);
    m.phase = Impl::Phase::fed;
}

void Network::forward(const NetworkState* from, Stream stream) {
    Impl& m = *impl_;
    const bool again = m.phase == Impl::Phase::forward && m.current->mode == Mode::inference;
    if (m.phase != Impl::Phase::fed && !again)
        model::refuse_state("forward: must follow a feed, or in inference a forward");
    model::NetworkPlan& plan = *m.current;
    if (from && plan.batch > 0 && from->batch() != plan.batch)
        refuse("from", from->batch(), detail::concat("must be a state of ", plan.batch, " rows"));
    m.phase = Impl::Phase::none;
    m.prepare(stream);
    m.point_carried(from);
    for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
        if (!plan.nodes[n].active) continue;
        model::Call call = m.call(n, stream);
        plan.nodes[n].module->forward(call);
    }
    m.phase = Impl::Phase::forward;
}

View Network::input(std::string_view name) {
    const Impl& m = *impl_;
    if (m.phase == Impl::Phase::none) model::refuse_state("input: must follow a feed");
    for (std::size_t i = 0; i < m.spec.inputs.size(); ++i) {
        const model::PlannedValue& value = m.current->values[i];
        if (m.spec.inputs[i].name == name && value.present && !m.graph.inputs[i].is_target)
            return {m.current->arena + value.data, value.info.dtype, value.info.shape};
    }
    refuse("input", name, "must have been fed, and be no target");
}

void Network::prepare(Stream stream) { impl_->prepare(stream); }

void Network::forward(std::span<const Sequence> inputs, Mode mode, const NetworkState* from, Stream stream) {
    feed(inputs, mode, stream);
    forward(from, stream);
}

std::uint64_t Network::plan_id() const noexcept { return impl_->current ? impl_->current->bound : 0; }

void Network::replayed() noexcept {
    impl_->phase = Impl::Phase::backward;
    impl_->was_replayed = true;
    impl_->parameters_dirty = true;
}

void Network::Impl::backward_node(std::size_t n, Stream stream) {
    const std::vector<int>& blocks = graph.nodes[n].blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b)
        current->nodes[n].blocks[b].accumulate = block_written[static_cast<std::size_t>(blocks[b])] != 0;
    model::Call call = this->call(n, stream);
    current->nodes[n].module->backward(call);
    for (int b : blocks) block_written[static_cast<std::size_t>(b)] = 1;
    // A loss has written the gradients of its inputs before.
    if (!graph.nodes[n].module->is_loss()) current->add_scratch(graph, n, backend(), stream);
}

void Network::backward(bool accumulate, Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::loss || m.current->mode != Mode::training)
        model::refuse_state("backward: must follow a training forward and its loss, and once");
    m.phase = Impl::Phase::none;
    std::fill(m.block_written.begin(), m.block_written.end(), static_cast<char>(accumulate));
    for (int n : m.current->backward_order) {
        const auto node = static_cast<std::size_t>(n);
        const model::GraphNode& of = m.graph.nodes[node];
        if (m.current->nodes[node].backward && !(of.module->is_loss() && of.blocks.empty()))
            m.backward_node(node, stream);
    }
    for (std::size_t b = 0; b < m.graph.blocks.size(); ++b) {
        if (m.block_written[b]) continue;
        const model::StorageBlock& block = m.graph.blocks[b];
        m.backend().zero(m.gradients.data() + block.offset * m.element(),
                         static_cast<std::size_t>(block.count * m.element()), stream);
    }
    if (m.current->observe) m.observe_weights(stream);
    m.phase = Impl::Phase::backward;
}

}  // namespace rondo
