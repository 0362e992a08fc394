/// Carried states: made for a network, read and written by name, taken from a forward.
#include <algorithm>

#include "model/network_impl.hpp"

namespace rondo {

NetworkState::NetworkState(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkState::~NetworkState() = default;
NetworkState::NetworkState(NetworkState&&) noexcept = default;
NetworkState& NetworkState::operator=(NetworkState&&) noexcept = default;

std::int64_t NetworkState::batch() const noexcept { return impl_->batch; }
std::vector<std::string> NetworkState::names() const {
    std::vector<std::string> names;
    for (const Impl::Part& part : impl_->parts) names.push_back(part.name);
    return names;
}
void NetworkState::zero(Stream stream) { impl_->buffer.zero(stream); }
View NetworkState::array() noexcept { return {impl_->buffer.data(), DType::i32, {impl_->buffer.bytes() / 4}}; }

void NetworkState::Impl::upload_rows(std::span<const std::int64_t> wanted, std::int64_t of, Stream stream) {
    require(static_cast<std::int64_t>(wanted.size()) == batch, "rows", wanted.size(),
            detail::concat("must be ", batch, ", one a row of this state"));
    for (const std::int64_t row : wanted)
        require(row >= 0 && row < of, "rows", row, detail::concat("must be in [0, ", of, ")"));
    if (!rows.data()) rows = model::DeviceBuffer(device, batch * size_of(DType::i64));
    device.backend().upload(rows.data(), wanted.data(), wanted.size_bytes(), stream);
}

void NetworkState::Impl::take(const Part& part, const void* from, std::int64_t from_batch, const void* lengths,
                              Stream stream) {
    device.backend().copy_rows({.bytes = part.width * size_of(part.dtype),
                                .steps = std::max<std::int64_t>(1, part.steps),
                                .batch = batch,
                                .from_batch = from_batch,
                                .rows = rows.as<std::int64_t>(),
                                .lengths = static_cast<const std::int64_t*>(lengths),
                                .from = from,
                                .to = buffer.data() + part.offset},
                               stream);
}

void NetworkState::take_rows(const NetworkState& from, std::span<const std::int64_t> rows, Stream stream) {
    Impl &to = *impl_, &source = *from.impl_;
    require(&to != &source, "from", "this state", "must be another");
    const auto alike = [](const Impl::Part& a, const Impl::Part& b) {
        return a.name == b.name && a.dtype == b.dtype && a.steps == b.steps && a.width == b.width;
    };
    require(std::equal(to.parts.begin(), to.parts.end(), source.parts.begin(), source.parts.end(), alike), "from",
            "a state", "must be of the same network");
    to.upload_rows(rows, source.batch, stream);
    for (const Impl::Part& part : source.parts) {
        const Impl::Part& own = to.parts[static_cast<std::size_t>(&part - source.parts.data())];
        to.take(own, source.buffer.data() + part.offset, source.batch,
                part.steps > 0 ? source.buffer.data() + part.counts : nullptr, stream);
    }
}

void NetworkState::take_rows(std::string_view name, const ConstView& from, std::span<const std::int64_t> rows,
                             Stream stream) {
    for (const Impl::Part& part : impl_->parts) {
        if (part.name != name) continue;
        require(part.steps == 0 && from.shape.rank() == 2 && from.shape[1] == part.width && from.dtype == part.dtype,
                name, from.shape, detail::concat("must be ", part.dtype, " [any,", part.width, "]"));
        impl_->upload_rows(rows, from.shape[0], stream);
        impl_->take(part, from.data, from.shape[0], nullptr, stream);
        return;
    }
    refuse("state", name, "is none of this network");
}

std::vector<HostTensor> NetworkState::read(Stream stream) const {
    std::vector<HostTensor> tensors;
    for (const Impl::Part& part : impl_->parts) {
        HostTensor& t = tensors.emplace_back(part.name, part.dtype, impl_->shape(part));
        impl_->device.backend().download(t.data.data(), impl_->buffer.data() + part.offset, t.data.size(), stream);
    }
    impl_->device.backend().synchronize(stream);
    return tensors;
}

void NetworkState::write(std::span<const HostTensor> tensors, Stream stream) {
    for (const Impl::Part& part : impl_->parts) {
        const HostTensor& t = find(tensors, part.name);
        require(t.dtype == part.dtype, t.name, t.dtype, detail::concat("must be ", part.dtype));
        require(t.shape == impl_->shape(part), t.name, t.shape, detail::concat("must be ", impl_->shape(part)));
    }
    for (const Impl::Part& part : impl_->parts) {
        const HostTensor& t = find(tensors, part.name);
        impl_->device.backend().upload(impl_->buffer.data() + part.offset, t.data.data(), t.data.size(), stream);
    }
    impl_->device.backend().synchronize(stream);
}

NetworkState Network::make_state(std::int64_t batch) {
    require(batch >= 1, "batch", batch, "must be at least 1");
    auto state = std::make_unique<NetworkState::Impl>(NetworkState::Impl{impl_->device, batch, {}, {}});
    std::int64_t bytes = 0;
    for (std::size_t n = 0; n < impl_->graph.nodes.size(); ++n) {
        const model::GraphNode& node = impl_->graph.nodes[n];
        const std::int64_t counts = bytes;  // of a module that has sequences: its first state
        for (std::size_t s = 0; s < node.carried.size(); ++s) {
            const model::CarriedState& c = node.carried[s];
            if (c.width == 0) continue;  // an input gives it
            state->parts.push_back({node.name + "." + c.name, c.dtype, c.steps, c.width, bytes, counts, n, s});
            bytes += (state->bytes(state->parts.back()) + 63) / 64 * 64;
        }
    }
    state->buffer = model::DeviceBuffer(impl_->device, bytes);
    NetworkState made(std::move(state));
    const Stream stream{};
    made.zero(stream);
    impl_->backend().synchronize(stream);
    return made;
}

void Network::Impl::point_carried(const NetworkState* state) {
    for (std::vector<void*>& list : carried) std::fill(list.begin(), list.end(), nullptr);
    if (!state) return;
    for (const NetworkState::Impl::Part& part : state->impl_->parts) {
        if (part.node >= carried.size() || part.state >= carried[part.node].size())
            refuse("state", part.name, "is of another network");
        carried[part.node][part.state] = state->impl_->buffer.data() + part.offset;
    }
}

void Network::keep_state(std::int64_t step, NetworkState& to, Stream stream) const {
    Impl& m = *impl_;
    if (m.phase == Impl::Phase::none || m.phase == Impl::Phase::fed)
        throw Error(ErrorCode::state, "keep_state: must follow a forward");
    // What it would copy from is known of the forward that was called last, which need not be the one recorded.
    if (m.was_replayed)
        throw Error(ErrorCode::state, "keep_state: must be recorded with the forward, a replay was in its place");
    if (m.current->batch > 0 && to.batch() != m.current->batch)
        refuse("to", to.batch(), detail::concat("must be a state of ", m.current->batch, " rows"));
    // `to` may be what forward began from: modules have their final states elsewhere, and know where they began.
    std::vector<void*>& list = m.kept;
    for (std::size_t n = 0; n < m.graph.nodes.size(); ++n) {
        if (m.carried[n].empty()) continue;
        list.assign(m.carried[n].size(), nullptr);
        for (const NetworkState::Impl::Part& part : to.impl_->parts)
            if (part.node == n) list[part.state] = to.impl_->buffer.data() + part.offset;
        model::Call call = m.call(n, stream);
        m.current->nodes[n].module->keep(call, step, list);
    }
}

NetworkSpec with_memory(NetworkSpec spec, std::int64_t steps) {
    require(steps >= 1, "steps", steps, "must be at least 1");
    for (Node& node : spec.nodes) {
        if (auto* attention = std::get_if<AttentionSpec>(&node.module); attention && attention->causal)
            attention->memory = steps;
        if (auto* position = std::get_if<PositionSpec>(&node.module)) position->carried = true;
    }
    return spec;
}

}  // namespace rondo
