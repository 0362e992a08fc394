/// The moments of all parameters and the update of all of them.
#include "rondo/optimizer.hpp"

#include <cmath>

#include "model/device_buffer.hpp"
#include "scheduler/backend.hpp"

namespace rondo {

void validate(const OptimizerSpec& spec) {
    const auto in_unit = [](std::string_view field, double value) {
        require(value >= 0 && value < 1, field, value, "must be in [0, 1)");
    };
    in_unit("momentum", spec.momentum);
    in_unit("beta1", spec.beta1);
    in_unit("beta2", spec.beta2);
    require(std::isfinite(spec.epsilon) && spec.epsilon > 0, "epsilon", spec.epsilon, "must be finite and above 0");
    require(std::isfinite(spec.weight_decay) && spec.weight_decay >= 0, "weight_decay", spec.weight_decay,
            "must be finite and not negative");
    const bool sgd = spec.rule == OptimizerSpec::Rule::sgd;
    require(sgd || spec.momentum == 0, "momentum", spec.momentum, "must be 0: only sgd has momentum");
    require(!spec.nesterov || spec.momentum > 0, "nesterov", "true", "needs sgd with momentum");
}

struct Optimizer::Impl {
    /// Neighbouring parameters that decay alike; gaps of the array belong to what stands before them.
    struct Range {
        std::int64_t begin, end;
        double decay;
    };

    Network& network;
    OptimizerSpec spec;
    std::int64_t updates = 0;
    model::DeviceBuffer first, second, scalars;
    std::vector<Range> ranges;
    UpdateScalars staged{};  ///< outlives its upload

    Backend& backend() const { return network.device().backend(); }
    DType dtype() const { return network.spec().precision.storage; }

    void make_ranges() {
        for (const NetworkParameter& p : network.parameters()) {
            const double decay = p.bias && !spec.decay_biases ? 0 : spec.weight_decay;
            if (!ranges.empty()) ranges.back().end = p.offset;
            if (ranges.empty() || ranges.back().decay != decay) ranges.push_back({p.offset, p.offset, decay});
        }
        if (!ranges.empty()) ranges.back().end = network.parameter_count();
    }
};

Optimizer::Optimizer(Network& network, OptimizerSpec spec) {
    validate(spec);
    impl_ = std::make_unique<Impl>(Impl{network, spec, 0, {}, {}, {}, {}, {}});
    const std::int64_t bytes = network.parameter_count() * size_of(impl_->dtype());
    const bool adam = spec.rule != OptimizerSpec::Rule::sgd;
    const Stream stream{};
    if (adam || spec.momentum > 0) impl_->first = model::DeviceBuffer(network.device(), bytes);
    if (adam) impl_->second = model::DeviceBuffer(network.device(), bytes);
    impl_->scalars = model::DeviceBuffer(network.device(), sizeof(UpdateScalars));
    impl_->first.zero(stream);
    impl_->second.zero(stream);
    impl_->backend().synchronize(stream);
    impl_->make_ranges();
}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;

const OptimizerSpec& Optimizer::spec() const noexcept { return impl_->spec; }
std::int64_t Optimizer::updates() const noexcept { return impl_->updates; }

void Optimizer::update(double learning_rate, double gradient_scale, bool skip, Stream stream) {
    Impl& m = *impl_;
    if (!skip) ++m.updates;
    const auto n = static_cast<double>(m.updates);
    UpdateScalars& scalars = m.staged;
    scalars.learning_rate = learning_rate;
    scalars.gradient_scale = gradient_scale;
    scalars.bias_correction1 = 1 - std::pow(m.spec.beta1, n);
    scalars.bias_correction2 = 1 - std::pow(m.spec.beta2, n);
    scalars.skip = skip ? 1 : 0;
    m.backend().upload(m.scalars.data(), &scalars, sizeof scalars, stream);

    const std::int64_t element = size_of(m.dtype());
    for (const Impl::Range& range : m.ranges) {
        const auto at = [&](std::byte* base) { return base ? base + range.begin * element : nullptr; };
        Update update;
        switch (m.spec.rule) {
            case OptimizerSpec::Rule::sgd:
                update.rule = Update::Rule::sgd;
                break;
            case OptimizerSpec::Rule::adam:
                update.rule = Update::Rule::adam;
                break;
            case OptimizerSpec::Rule::adamw:
                update.rule = Update::Rule::adamw;
                break;
        }
        update.dtype = m.dtype();
        update.count = range.end - range.begin;
        update.parameters = at(static_cast<std::byte*>(m.network.parameter_array().data));
        update.gradients = at(static_cast<std::byte*>(m.network.gradient_array().data));
        update.first = at(m.first.data());
        update.second = at(m.second.data());
        update.scalars = m.scalars.as<UpdateScalars>();
        update.momentum = m.spec.momentum;
        update.beta1 = m.spec.beta1;
        update.beta2 = m.spec.beta2;
        update.epsilon = m.spec.epsilon;
        update.weight_decay = range.decay;
        update.nesterov = m.spec.nesterov;
        m.backend().update(update, stream);
    }
    m.network.parameters_changed();
}

std::vector<HostTensor> Optimizer::read(Stream stream) const {
    const Impl& m = *impl_;
    std::vector<HostTensor> tensors;
    const auto read_moment = [&](const model::DeviceBuffer& moment, const char* prefix) {
        if (!moment.data()) return;
        for (const NetworkParameter& p : m.network.parameters()) {
            HostTensor& t = tensors.emplace_back(prefix + p.name, m.dtype(), p.shape);
            m.backend().download(t.data.data(), moment.data() + p.offset * size_of(m.dtype()), t.data.size(), stream);
        }
    };
    read_moment(m.first, "optimizer.first.");
    read_moment(m.second, "optimizer.second.");
    m.backend().synchronize(stream);
    return tensors;
}

void Optimizer::write(std::span<const HostTensor> tensors, std::int64_t updates, Stream stream) {
    Impl& m = *impl_;
    require(updates >= 0, "updates", updates, "must not be negative");
    const auto each = [&](const model::DeviceBuffer& moment, const char* prefix, auto f) {
        if (!moment.data()) return;
        for (const NetworkParameter& p : m.network.parameters())
            f(find(tensors, prefix + p.name), p, moment.data() + p.offset * size_of(m.dtype()));
    };
    const auto check = [&](const HostTensor& t, const NetworkParameter& p, std::byte*) {
        require(t.dtype == m.dtype(), t.name, t.dtype, detail::concat("must be ", m.dtype()));
        require(t.shape == p.shape, t.name, t.shape, detail::concat("must be ", p.shape));
    };
    const auto copy = [&](const HostTensor& t, const NetworkParameter&, std::byte* to) {
        m.backend().upload(to, t.data.data(), t.data.size(), stream);
    };
    each(m.first, "optimizer.first.", check);
    each(m.second, "optimizer.second.", check);
    each(m.first, "optimizer.first.", copy);
    each(m.second, "optimizer.second.", copy);
    m.backend().synchronize(stream);
    m.updates = updates;
}

}  // namespace rondo
