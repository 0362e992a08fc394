/// Modules that make ids: drawn from logits, or chosen between two. No gradient passes through them.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedSample final : public PlannedModule {
public:
    explicit PlannedSample(const SampleSpec& spec) : spec_(spec) {}

    void forward(Call& call) override {
        const Place &logits = call.inputs[0], &ids = call.outputs[0];
        call.backend.sample({.dtype = logits.info->dtype,
                             .rows = logits.info->rows(),
                             .classes = logits.info->width(),
                             .logits = logits.data,
                             .ids = static_cast<std::int32_t*>(ids.data),
                             .temperature = spec_.temperature,
                             .top_k = spec_.top_k,
                             .random = call.random},
                            call.stream);
    }
    void backward(Call&) override {}

private:
    SampleSpec spec_;
};

class SampleModule final : public Module {
public:
    SampleModule(const SampleSpec& spec, DType dtype) : spec_(spec), dtype_(dtype) {
        require(spec.temperature > 0, "temperature", spec.temperature, "must be above 0");
        require(spec.top_k >= 0, "top_k", spec.top_k, "must not be negative");
    }

    bool differentiable(int) const override { return false; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == dtype_ && x.shape.rank() >= 2, "logits", x.shape,
                detail::concat("must be ", dtype_, " [...,classes]"));
        Shape shape;
        for (int i = 0; i + 1 < x.shape.rank(); ++i) shape.append(x.shape[i]);
        return {{DType::i32, shape, x.lengths}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedSample>(spec_);
    }

private:
    SampleSpec spec_;
    DType dtype_;
};

class PlannedSelect final : public PlannedModule {
public:
    void forward(Call& call) override {
        const auto ids = [](const Place& place) { return static_cast<const std::int32_t*>(place.data); };
        call.backend.select_ids(ids(call.inputs[0]), ids(call.inputs[1]), ids(call.inputs[2]),
                                call.inputs[0].info->shape.size(), static_cast<std::int32_t*>(call.outputs[0].data),
                                call.stream);
    }
    void backward(Call&) override {}
};

class Select final : public Module {
public:
    explicit Select(const SelectSpec& spec) : spec_(spec) {
        require(spec.classes >= 1, "classes", spec.classes, "must be at least 1");
    }

    int inputs() const override { return 3; }
    bool differentiable(int) const override { return false; }
    std::int64_t classes(int input) const override { return input == 0 ? 2 : spec_.classes; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& which = *inputs[0];
        for (const ValueInfo* x : inputs)
            require(x->dtype == DType::i32 && x->shape == which.shape, "ids", x->shape,
                    detail::concat("must be i32 ", which.shape));
        return {*inputs[1]};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedSelect>();
    }

private:
    SelectSpec spec_;
};

}  // namespace

std::unique_ptr<Module> make_sample(const SampleSpec& spec, const Precision& precision) {
    return std::make_unique<SampleModule>(spec, precision.storage);
}
std::unique_ptr<Module> make_select(const SelectSpec& spec, const Precision&) { return std::make_unique<Select>(spec); }

}  // namespace rondo::model
