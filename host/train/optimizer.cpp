/// From gradients to parameters: measured, decided about and applied on the device.
#include "rondo/optimizer.hpp"

#include <cmath>

#include "model/device_buffer.hpp"
#include "model/readback.hpp"
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

void validate(const ClipSpec& spec) {
    const bool none = spec.kind == ClipSpec::Kind::none;
    require(none ? spec.limit == 0 : std::isfinite(spec.limit) && spec.limit > 0, "clip.limit", spec.limit,
            none ? "must be 0 without a kind of clipping" : "must be finite and above 0");
}

void validate(const LossScaleSpec& spec) {
    require(spec.initial >= 1 && spec.initial <= kMostLossScale, "loss_scale.initial", spec.initial,
            detail::concat("must be in [1, ", kMostLossScale, "]"));
    require(std::isfinite(spec.growth) && spec.growth >= 1, "loss_scale.growth", spec.growth,
            "must be finite and at least 1");
    require(spec.backoff > 0 && spec.backoff <= 1, "loss_scale.backoff", spec.backoff, "must be in (0, 1]");
    require(spec.interval >= 1, "loss_scale.interval", spec.interval, "must be at least 1");
}

struct Optimizer::Impl {
    /// What lies on the device beside the arrays.
    struct Numbers {
        UpdateCounts counts;
        UpdateScalars scalars;
        UpdateFindings findings;
        double learning_rate, largest;
    };

    Network& network;
    OptimizerSpec spec;
    ClipSpec clip;
    LossScaleSpec loss_scale;
    model::DeviceBuffer first, second, numbers, sums, factors, ranges;
    std::int64_t groups = 1, range_count = 0;
    bool has_rate = false;
    model::Readback<UpdateFindings> findings;

    Backend& backend() const { return network.device().backend(); }
    DType dtype() const { return network.spec().precision.accumulate; }
    bool scaled() const { return network.spec().precision.storage == DType::f16; }
    Numbers* on_device() const { return numbers.as<Numbers>(); }

    void make_buffers();
    void make_ranges(Stream stream);
    void put_counts(const UpdateCounts& counts, Stream stream);
    void measure(Stream stream);
    void decide(Stream stream);
    void apply(Stream stream);
};

void Optimizer::Impl::make_buffers() {
    const Device& device = network.device();
    const std::int64_t bytes = network.parameter_count() * size_of(dtype());
    const bool adam = spec.rule != OptimizerSpec::Rule::sgd;
    if (adam || spec.momentum > 0) first = model::DeviceBuffer(device, bytes);
    if (adam) second = model::DeviceBuffer(device, bytes);
    if (clip.kind == ClipSpec::Kind::tensor_norm) groups = static_cast<std::int64_t>(network.parameters().size());
    const auto of_groups = groups * static_cast<std::int64_t>(sizeof(double));
    numbers = model::DeviceBuffer(device, sizeof(Numbers));
    sums = model::DeviceBuffer(device, of_groups);
    factors = model::DeviceBuffer(device, of_groups);
}

/// Neighbouring parameters that decay and are clipped alike; gaps of the array belong to what stands before them.
void Optimizer::Impl::make_ranges(Stream stream) {
    std::vector<UpdateRange> list;
    for (std::size_t i = 0; i < network.parameters().size(); ++i) {
        const NetworkParameter& p = network.parameters()[i];
        const double decay = p.bias && !spec.decay_biases ? 0 : spec.weight_decay;
        const std::int64_t group = groups > 1 ? static_cast<std::int64_t>(i) : 0;
        if (!list.empty()) list.back().end = p.offset;
        if (list.empty() || list.back().weight_decay != decay || list.back().group != group)
            list.push_back({p.offset, p.offset, decay, group});
    }
    if (list.empty()) return;
    list.back().end = network.parameter_count();
    range_count = static_cast<std::int64_t>(list.size());
    ranges = model::DeviceBuffer(network.device(), range_count * static_cast<std::int64_t>(sizeof(UpdateRange)));
    backend().upload(ranges.data(), list.data(), list.size() * sizeof(UpdateRange), stream);
}

void Optimizer::Impl::put_counts(const UpdateCounts& counts, Stream stream) {
    backend().upload(&on_device()->counts, &counts, sizeof counts, stream);
    backend().upload(network.loss_scale(), &counts.loss_scale, sizeof(double), stream);
}

Optimizer::Optimizer(Network& network, OptimizerSpec spec, ClipSpec clip, LossScaleSpec loss_scale) {
    validate(spec);
    validate(clip);
    validate(loss_scale);
    impl_ = std::unique_ptr<Impl>(
        new Impl{network, spec, clip, loss_scale, {}, {}, {}, {}, {}, {}, 1, 0, false, {network.device(), 1}});
    const Stream stream{};
    impl_->make_buffers();
    for (model::DeviceBuffer* buffer : {&impl_->first, &impl_->second, &impl_->numbers}) buffer->zero(stream);
    impl_->make_ranges(stream);
    const UpdateFindings nothing;
    impl_->backend().upload(&impl_->on_device()->findings, &nothing, sizeof nothing, stream);
    impl_->put_counts({0, impl_->scaled() ? loss_scale.initial : 1, 0}, stream);
    impl_->backend().synchronize(stream);
}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;
Optimizer& Optimizer::operator=(Optimizer&&) noexcept = default;

const OptimizerSpec& Optimizer::spec() const noexcept { return impl_->spec; }
const ClipSpec& Optimizer::clip() const noexcept { return impl_->clip; }

void Optimizer::set_learning_rate(double rate, Stream stream) {
    impl_->backend().upload(&impl_->on_device()->learning_rate, &rate, sizeof rate, stream);
    impl_->has_rate = true;
}

void Optimizer::Impl::measure(Stream stream) {
    const View gradients = network.gradient_array();
    if (groups == 1) {
        backend().sum_of_squares(dtype(), gradients.data, network.parameter_count(), sums.as<double>(), false, stream);
    } else {
        double* to = sums.as<double>();
        for (const NetworkParameter& p : network.parameters())
            backend().sum_of_squares(dtype(), static_cast<std::byte*>(gradients.data) + p.offset * size_of(dtype()),
                                     p.shape.size(), to++, false, stream);
    }
    if (clip.kind == ClipSpec::Kind::value)
        backend().largest(dtype(), gradients.data, network.parameter_count(), &on_device()->largest, stream);
}

void Optimizer::Impl::decide(Stream stream) {
    UpdatePlan plan;
    plan.clip = clip.kind;
    plan.limit = clip.limit;
    plan.groups = groups;
    plan.sums = sums.as<double>();
    plan.largest = &on_device()->largest;
    plan.beta1 = spec.beta1;
    plan.beta2 = spec.beta2;
    plan.learning_rate = &on_device()->learning_rate;
    plan.scaled = scaled();
    plan.growth = loss_scale.growth;
    plan.backoff = loss_scale.backoff;
    plan.interval = loss_scale.interval;
    plan.counts = &on_device()->counts;
    plan.loss_scale = network.loss_scale();
    plan.scalars = &on_device()->scalars;
    plan.factors = factors.as<double>();
    plan.findings = &on_device()->findings;
    backend().plan_update(plan, stream);
}

void Optimizer::Impl::apply(Stream stream) {
    Update update;
    switch (spec.rule) {
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
    update.dtype = dtype();
    update.parameters = network.parameter_array().data;
    update.gradients = network.gradient_array().data;
    update.first = first.data();
    update.second = second.data();
    update.count = network.parameter_count();
    update.ranges = ranges.as<UpdateRange>();
    update.range_count = range_count;
    update.factors = factors.as<double>();
    update.scalars = &on_device()->scalars;
    update.clamp = clip.kind == ClipSpec::Kind::value ? clip.limit : 0;
    update.momentum = spec.momentum;
    update.beta1 = spec.beta1;
    update.beta2 = spec.beta2;
    update.epsilon = spec.epsilon;
    update.nesterov = spec.nesterov;
    backend().update(update, stream);
}

void Optimizer::update(Stream stream) {
    if (!impl_->has_rate) throw Error(ErrorCode::state, "update: set_learning_rate must come first");
    impl_->measure(stream);
    impl_->decide(stream);
    impl_->apply(stream);
    impl_->network.parameters_changed();
}

const UpdateFindings* Optimizer::findings() const noexcept { return &impl_->on_device()->findings; }

UpdateReport Optimizer::report(Stream stream) const {
    impl_->findings.fill(findings(), stream);
    return report_of(impl_->findings.get()[0]);
}

UpdateCounts Optimizer::counts(Stream stream) const {
    UpdateCounts counts;
    impl_->backend().download(&counts, &impl_->on_device()->counts, sizeof counts, stream);
    impl_->backend().synchronize(stream);
    return counts;
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

void Optimizer::write(std::span<const HostTensor> tensors, const UpdateCounts& counts, Stream stream) {
    Impl& m = *impl_;
    require(counts.updates >= 0, "updates", counts.updates, "must not be negative");
    require(counts.steps_at_scale >= 0, "steps_at_scale", counts.steps_at_scale, "must not be negative");
    require(counts.loss_scale >= 1 && counts.loss_scale <= kMostLossScale, "loss_scale", counts.loss_scale,
            detail::concat("must be in [1, ", kMostLossScale, "]"));
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
    m.put_counts(counts, stream);
    m.backend().synchronize(stream);
}

}  // namespace rondo
