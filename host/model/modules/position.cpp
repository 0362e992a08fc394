/// Where a step stands in its sequence, added to it.
#include <cmath>

#include "model/device_buffer.hpp"
#include "model/step_counts.hpp"

namespace rondo::model {
namespace {

template <class T>
std::vector<std::byte> sinusoids(std::int64_t steps, std::int64_t width) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(steps * width) * sizeof(T));
    T* table = reinterpret_cast<T*>(bytes.data());
    for (std::int64_t t = 0; t < steps; ++t)
        for (std::int64_t i = 0; i < width; ++i) {
            const double exponent = static_cast<double>(i / 2 * 2) / static_cast<double>(width);
            const double angle = static_cast<double>(t) / std::pow(10000.0, exponent);
            table[t * width + i] = static_cast<T>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
        }
    return bytes;
}

class PlannedPosition final : public PlannedModule {
public:
    /// table: of the module; null where it is a parameter. counts: where steps go on.
    PlannedPosition(const PositionSpec& spec, const Precision& precision, const void* table,
                    std::optional<StepCounts> counts)
        : spec_(spec), precision_(precision), table_(table), counts_(counts) {}

    void forward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        if (counts_) counts_->advance(call, *x.info);
        if (y.data != x.data) call.backend.copy(y.data, x.data, static_cast<std::size_t>(x.info->bytes()), call.stream);
        call.backend.map_rows({.dtype = precision_.storage,
                               .rows = x.info->rows(),
                               .cols = spec_.width,
                               .to = y.data,
                               .to_stride = spec_.width,
                               .from_dtype = precision_.accumulate,
                               .from = table_ ? table_ : call.blocks[0].data,
                               .from_stride = spec_.width,
                               .divide = x.info->batch(),
                               .modulo = spec_.steps,
                               .add = true,
                               .shifts = counts_ ? counts_->begins(call) : nullptr},
                              call.stream);
    }

    void backward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        if (!table_) table_gradient(call);
        if (x.gradient && x.gradient != y.gradient)
            call.backend.copy(x.gradient, y.gradient, static_cast<std::size_t>(x.info->bytes()), call.stream);
    }

    void keep(Call& call, std::int64_t step, std::span<void* const> to) override {
        counts_->keep(call, step, call.inputs[0].info->steps(), to[0]);
    }

private:
    void table_gradient(Call& call) const {
        const BlockPlace& block = call.blocks[0];
        const ValueInfo& y = *call.outputs[0].info;
        if (!block.accumulate)  // steps that this batch does not reach
            call.backend.zero(block.gradient,
                              static_cast<std::size_t>(spec_.steps * spec_.width * size_of(precision_.accumulate)),
                              call.stream);
        call.backend.sum_rows({.to_dtype = precision_.accumulate,
                               .to = block.gradient,
                               .dtype = precision_.storage,
                               .from = call.outputs[0].gradient,
                               .from_stride = spec_.width,
                               .groups = y.steps(),
                               .group_step = y.batch(),
                               .items = y.batch(),
                               .item_step = 1,
                               .cols = spec_.width,
                               .add = true},
                              call.stream);
    }

    PositionSpec spec_;
    Precision precision_;
    const void* table_;
    std::optional<StepCounts> counts_;
};

class Position final : public Module {
public:
    Position(const PositionSpec& spec, const Precision& precision) : spec_(spec), precision_(precision) {
        require(spec.width >= 1, "width", spec.width, "must be at least 1");
        require(spec.steps >= 1, "steps", spec.steps, "must be at least 1");
    }

    std::vector<ParameterBlock> blocks() const override {
        if (!learned()) return {};
        const Shape shape{spec_.steps, spec_.width};
        return {{{{.name = "table", .shape = shape, .deviation = 0.02}}, shape.size()}};
    }
    std::vector<CarriedState> carried() const override {
        return spec_.carried ? std::vector{StepCounts::state()} : std::vector<CarriedState>();
    }
    int state_port() const override { return -1; }
    bool forward_in_place() const override { return true; }
    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == precision_.storage, "x", x.dtype, detail::concat("must be ", precision_.storage));
        require(x.per_step() && x.width() == spec_.width && x.steps() <= spec_.steps, "x", x.shape,
                detail::concat("must be [T,B,", spec_.width, "] with T at most ", spec_.steps));
        return {x};
    }

    void attach(const Device& device) override {
        if (learned()) return;
        const auto table = precision_.accumulate == DType::f64 ? sinusoids<double>(spec_.steps, spec_.width)
                                                               : sinusoids<float>(spec_.steps, spec_.width);
        table_ = DeviceBuffer(device, static_cast<std::int64_t>(table.size()));
        const Stream stream{};
        device.backend().upload(table_.data(), table.data(), table.size(), stream);
        device.backend().synchronize(stream);
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        std::optional<StepCounts> counts;
        if (spec_.carried) {
            require(request.mode == Mode::inference, "carried", "true", "is for inference");
            counts.emplace(ledger, request.name, request.inputs[0]->batch(), spec_.steps);
        }
        return std::make_unique<PlannedPosition>(spec_, precision_, table_.data(), counts);
    }

private:
    bool learned() const { return spec_.kind == PositionSpec::Kind::learned; }

    PositionSpec spec_;
    Precision precision_;
    DeviceBuffer table_;  ///< of sinusoids
};

}  // namespace

std::unique_ptr<Module> make_position(const PositionSpec& spec, const Precision& precision) {
    return std::make_unique<Position>(spec, precision);
}

}  // namespace rondo::model
