/// Carried states: made for a network, read and written by name, taken from a forward.
#include "model/network_impl.hpp"

namespace rondo {

NetworkState::NetworkState(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NetworkState::~NetworkState() = default;
NetworkState::NetworkState(NetworkState&&) noexcept = default;
NetworkState& NetworkState::operator=(NetworkState&&) noexcept = default;

std::int64_t NetworkState::batch() const noexcept { return impl_->batch; }
void NetworkState::zero(Stream stream) { impl_->buffer.zero(stream); }
View NetworkState::array() noexcept { return {impl_->buffer.data(), DType::i32, {impl_->buffer.bytes() / 4}}; }

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
        for (std::size_t s = 0; s < node.carried.size(); ++s) {
            const model::CarriedState& c = node.carried[s];
            if (c.width == 0) continue;  // an input gives it
            state->parts.push_back({node.name + "." + c.name, c.dtype, c.width, bytes, n, s});
            bytes += (batch * c.width * size_of(c.dtype) + 63) / 64 * 64;
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
    // Modules keep what they began from, so `to` may be that; only the null entries of `carried` matter to them now.
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

}  // namespace rondo
