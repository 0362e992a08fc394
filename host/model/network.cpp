/// Runs a network: forward over the nodes, the losses, one walk back.
#include "rondo/network.hpp"

#include <algorithm>

#include "model/network_impl.hpp"
#include "rondo/philox.hpp"

namespace rondo {
namespace {

[[noreturn]] void refuse_state(const char* why) { throw Error(ErrorCode::state, why); }

}  // namespace

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
    sums_read.resize(count);
    loss_scales.resize(count);
    loss_counted.resize(count);
    block_written.resize(graph.blocks.size());
    for (model::GraphNode& node : graph.nodes) {
        node.module->attach(device);
        carried.emplace_back(node.carried.size(), nullptr);
    }
    const Stream stream{};
    parameters.zero(stream);
    gradients.zero(stream);
    random.zero(stream);
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
    const auto fits = [&](const auto& plan) { return plan->mode == mode && plan->extents == wanted; };
    auto found = std::find_if(plans.begin(), plans.end(), fits);
    if (found == plans.end()) {
        // Extents that never come back must not pile up.
        constexpr std::size_t kMostPlans = 64;
        if (plans.size() >= kMostPlans)
            plans.erase(std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p.get() != current; }));
        plans.push_back(std::make_unique<model::NetworkPlan>(graph, spec, mode, wanted));
        found = plans.end() - 1;
    }
    // Asked of known plans as well: the memory may have run out when a larger one was wanted.
    if ((*found)->ledger.bytes() > arena.bytes()) {
        phase = Phase::none;  // what the last forward left is gone
        arena = {};
        arena = model::DeviceBuffer(device, (*found)->ledger.bytes());
    }
    (*found)->bind(graph, arena.data(), parameters.data(), gradients.data(), element());
    return **found;
}

void Network::Impl::prepare(Stream stream) {
    if (!parameters_dirty) return;
    for (model::GraphNode& node : graph.nodes)
        if (!node.blocks.empty())
            node.module->prepare(
                parameters.data() + graph.blocks[static_cast<std::size_t>(node.blocks[0])].offset * element(), stream);
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

void Network::forward(std::span<const Sequence> inputs, Mode mode, const NetworkState* from, Stream stream) {
    Impl& m = *impl_;
    model::NetworkPlan& plan = m.find_plan(inputs, mode);
    if (from && plan.batch > 0 && from->batch() != plan.batch)
        refuse("from", from->batch(), detail::concat("must be a state of ", plan.batch, " rows"));
    m.phase = Impl::Phase::none;
    m.current = &plan;
    m.upload(inputs, stream);
    m.prepare(stream);
    m.point_carried(from);
    for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
        if (!plan.nodes[n].active) continue;
        model::Call call = m.call(n, stream);
        plan.nodes[n].module->forward(call);
    }
    m.phase = Impl::Phase::forward;
}

void Network::Impl::run_loss(std::size_t n, Reduction reduction, std::int64_t begin, Stream stream) {
    const model::ValueInfo& prediction = *current->nodes[n].inputs[0].info;
    const int target = graph.values[static_cast<std::size_t>(graph.nodes[n].inputs[1])].input;
    const std::vector<std::int64_t>& before = current->inputs[static_cast<std::size_t>(target)].targets_before;
    if (begin < 0 || begin >= prediction.steps())
        refuse("begin", begin, detail::concat("must be in [0, ", prediction.steps(), ")"));
    loss_counted[n] = before.back() - before[static_cast<std::size_t>(begin)];
    switch (reduction) {
        case Reduction::sum:
            loss_scales[n] = 1;
            break;
        case Reduction::mean:
            loss_scales[n] = loss_counted[n] > 0 ? 1 / static_cast<double>(loss_counted[n]) : 0;
            break;
        case Reduction::mean_of_batch:
            loss_scales[n] = 1 / static_cast<double>(prediction.batch());
            break;
    }
    model::Call call = this->call(n, stream);
    current->nodes[n].module->loss(call, {sums.as<double>() + n, counted.as<std::int64_t>() + n, loss_scales[n], begin,
                                          current->mode == Mode::training && !current->nodes[n].edges.empty()});
    add_scratch(n, stream);
}

void Network::loss(Reduction reduction, std::int64_t begin, Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::forward) refuse_state("loss: must follow a forward, and once");
    m.phase = Impl::Phase::none;
    m.sums.zero(stream);
    m.counted.zero(stream);
    std::fill(m.loss_counted.begin(), m.loss_counted.end(), 0);
    std::fill(m.loss_scales.begin(), m.loss_scales.end(), 0.0);
    bool any = false;
    for (std::size_t n = 0; n < m.graph.nodes.size(); ++n) {
        if (!m.graph.nodes[n].module->is_loss() || !m.current->nodes[n].active) continue;
        m.run_loss(n, reduction, begin, stream);
        any = true;
    }
    if (!any) refuse_state("loss: the network has none, or no target was given");
    m.phase = Impl::Phase::loss;
}

LossValue Network::read_loss(Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::loss && m.phase != Impl::Phase::backward) refuse_state("read_loss: must follow a loss");
    m.backend().download(m.sums_read.data(), m.sums.data(), m.sums_read.size() * sizeof(double), stream);
    m.backend().synchronize(stream);
    LossValue total;
    for (std::size_t n = 0; n < m.sums_read.size(); ++n) {
        total.value += m.sums_read[n] * m.loss_scales[n];
        total.sum += m.sums_read[n];
        total.counted += m.loss_counted[n];
    }
    return total;
}

/// Adds what a node wrote beside the gradients of values that had one already.
void Network::Impl::add_scratch(std::size_t n, Stream stream) {
    for (const model::GradientEdge& edge : current->nodes[n].edges) {
        if (edge.scratch == model::kNoBuffer) continue;
        const int v = graph.nodes[n].inputs[static_cast<std::size_t>(edge.input)];
        const model::PlannedValue& value = current->values[static_cast<std::size_t>(v)];
        model::add(backend(), value.info.dtype, current->arena + value.gradient, current->arena + edge.scratch,
                   value.info.shape.size(), stream);
    }
}

void Network::Impl::backward_node(std::size_t n, Stream stream) {
    const std::vector<int>& blocks = graph.nodes[n].blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b)
        current->nodes[n].blocks[b].accumulate = block_written[static_cast<std::size_t>(blocks[b])] != 0;
    model::Call call = this->call(n, stream);
    current->nodes[n].module->backward(call);
    for (int b : blocks) block_written[static_cast<std::size_t>(b)] = 1;
    add_scratch(n, stream);
}

void Network::backward(bool accumulate, Stream stream) {
    Impl& m = *impl_;
    if (m.phase != Impl::Phase::loss || m.current->mode != Mode::training)
        refuse_state("backward: must follow a training forward and its loss, and once");
    m.phase = Impl::Phase::none;
    std::fill(m.block_written.begin(), m.block_written.end(), static_cast<char>(accumulate));
    for (int n : m.current->backward_order) {
        const auto node = static_cast<std::size_t>(n);
        if (m.current->nodes[node].backward && !m.graph.nodes[node].module->is_loss()) m.backward_node(node, stream);
    }
    for (std::size_t b = 0; b < m.graph.blocks.size(); ++b) {
        if (m.block_written[b]) continue;
        const model::StorageBlock& block = m.graph.blocks[b];
        m.backend().zero(m.gradients.data() + block.offset * m.element(),
                         static_cast<std::size_t>(block.count * m.element()), stream);
    }
    m.phase = Impl::Phase::backward;
}

}  // namespace rondo
