/// A network's parameters, gradients and values as the caller sees them.
#include <numeric>

#include "model/network_impl.hpp"

namespace rondo {
namespace {

/// Refuses what has not the array's type or the tensor's shape.
void check_tensor(const HostTensor& tensor, DType dtype, const Shape& shape) {
    require(tensor.dtype == dtype, tensor.name, tensor.dtype, detail::concat("must be ", dtype));
    require(tensor.shape == shape, tensor.name, tensor.shape, detail::concat("must be ", shape));
}

}  // namespace

const std::vector<NetworkParameter>& Network::parameters() const noexcept { return impl_->graph.parameters; }

const NetworkParameter& Network::parameter(std::string_view name) const {
    for (const NetworkParameter& p : impl_->graph.parameters)
        if (p.name == name) return p;
    refuse("parameter", name, "is no parameter of this network");
}

std::int64_t Network::parameter_count() const noexcept { return impl_->graph.parameter_count; }

std::int64_t Network::trainable_count() const noexcept {
    std::int64_t n = 0;
    for (const NetworkParameter& p : impl_->graph.parameters) n += p.shape.size();
    return n;
}

View Network::parameter_array() noexcept {
    return {impl_->parameters.data(), impl_->parameter_dtype(), {impl_->graph.parameter_count}};
}
View Network::gradient_array() noexcept {
    return {impl_->gradients.data(), impl_->parameter_dtype(), {impl_->graph.parameter_count}};
}
void Network::parameters_changed() noexcept { impl_->parameters_dirty = true; }

HostTensor Network::Impl::download(std::string name, const ConstView& view, Stream stream) const {
    HostTensor tensor(std::move(name), view.dtype, view.shape);
    backend().download(tensor.data.data(), view.data, tensor.data.size(), stream);
    backend().synchronize(stream);
    return tensor;
}

std::vector<HostTensor> Network::Impl::download_array(const std::byte* array, Stream stream) const {
    std::vector<HostTensor> tensors;
    for (const NetworkParameter& p : graph.parameters)
        tensors.push_back(download(p.name, {array + p.offset * element(), parameter_dtype(), p.shape}, stream));
    return tensors;
}

std::vector<HostTensor> Network::read_parameters(Stream stream) const {
    return impl_->download_array(impl_->parameters.data(), stream);
}
std::vector<HostTensor> Network::read_gradients(Stream stream) const {
    return impl_->download_array(impl_->gradients.data(), stream);
}

void Network::write_parameters(std::span<const HostTensor> tensors, Stream stream) {
    for (const NetworkParameter& p : impl_->graph.parameters)
        check_tensor(find(tensors, p.name), impl_->parameter_dtype(), p.shape);
    for (const NetworkParameter& p : impl_->graph.parameters) {
        const HostTensor& tensor = find(tensors, p.name);
        impl_->backend().upload(impl_->parameters.data() + p.offset * impl_->element(), tensor.data.data(),
                                tensor.data.size(), stream);
    }
    impl_->backend().synchronize(stream);
    impl_->parameters_dirty = true;
}

const model::PlannedValue& Network::Impl::planned_value(std::string_view name) const {
    const auto v = static_cast<std::size_t>(graph.value(name));
    if (!current || !current->values[v].present)
        throw Error(ErrorCode::state, detail::concat("value ", name, ": the last forward did not make it"));
    return current->values[v];
}

ConstView Network::value(std::string_view name) const {
    const model::PlannedValue& value = impl_->planned_value(name);
    const bool intact =
        impl_->phase == Impl::Phase::forward ||
        (impl_->phase != Impl::Phase::none && !(impl_->current->mode == Mode::training && value.replaced));
    if (!intact || value.data_reused)
        throw Error(ErrorCode::state, detail::concat("value ", name, ": is gone, another took its place"));
    return {impl_->current->arena + value.data, value.info.dtype, value.info.shape};
}

ConstView Network::gradient(std::string_view name) const {
    const model::PlannedValue& value = impl_->planned_value(name);
    if (impl_->phase != Impl::Phase::backward || value.gradient == model::kNoBuffer || value.gradient_replaced)
        throw Error(ErrorCode::state, detail::concat("gradient of ", name, ": was not made or kept"));
    return {impl_->current->arena + value.gradient, value.info.dtype, value.info.shape};
}

HostTensor Network::read_value(std::string_view name, Stream stream) const {
    return impl_->download(std::string(name), value(name), stream);
}
HostTensor Network::read_gradient(std::string_view name, Stream stream) const {
    return impl_->download(std::string(name), gradient(name), stream);
}

std::string Network::to_string() const {
    std::string text = detail::concat("network on ", impl_->device.description(), ", ", impl_->spec.precision.name(),
                                      ", ", trainable_count(), " parameters\n");
    for (const NetworkParameter& p : impl_->graph.parameters) text += detail::concat("  ", p.name, " ", p.shape, "\n");
    if (!impl_->current) return text;
    const model::Ledger& ledger = impl_->current->ledger;
    text += detail::concat("buffers, ", ledger.bytes(), " bytes\n");
    for (const model::Ledger::Entry& e : ledger.entries())
        text += detail::concat("  ", model::Ledger::name_of(e.kind), " ", e.name, " ", e.bytes, " at ", e.offset, "\n");
    return text + detail::concat("  workspace ", ledger.workspace_bytes(), " at ", ledger.workspace_offset(), "\n");
}

}  // namespace rondo
