/// y = f(x), element by element.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedActivation final : public PlannedModule {
public:
    explicit PlannedActivation(ActivationSpec::Kind kind) : kind_(kind) {}

    void forward(Call& call) override {
        Activation args = activation(call);
        args.y = call.outputs[0].data;
        call.backend.activation_forward(args, call.stream);
    }
    void backward(Call& call) override {
        Activation args = activation(call);
        args.dy = call.outputs[0].gradient;
        args.dx = call.inputs[0].gradient;
        if (args.dx) call.backend.activation_backward(args, call.stream);
    }

private:
    Activation activation(const Call& call) const {
        const Place& x = call.inputs[0];
        return {.kind = kind_, .dtype = x.info->dtype, .count = x.info->shape.size(), .x = x.data};
    }

    ActivationSpec::Kind kind_;
};

class ActivationModule final : public Module {
public:
    ActivationModule(ActivationSpec spec, DType dtype) : spec_(spec), dtype_(dtype) {}

    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        require(inputs[0]->dtype == dtype_, "x", inputs[0]->dtype, detail::concat("must be ", dtype_));
        return {*inputs[0]};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedActivation>(spec_.kind);
    }

private:
    ActivationSpec spec_;
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_activation(const ActivationSpec& spec, const Precision& precision) {
    return std::make_unique<ActivationModule>(spec, precision.storage);
}

}  // namespace rondo::model
