/// Dropout of a value, in place where the graph allows it.
#include "model/module.hpp"

namespace rondo::model {
namespace {

/// A node draws from its own seed, so any site will do; a stack's layers count theirs from 0.
constexpr std::uint64_t kSite = 0;

class PlannedDropout final : public PlannedModule {
public:
    PlannedDropout(const DropoutSpec& spec, Mode mode)
        : spec_(spec), active_(mode == Mode::training && spec.rate > 0) {}

    void forward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        if (active_)
            apply(call, y.data, x.data);
        else if (y.data != x.data)
            call.backend.copy(y.data, x.data, static_cast<std::size_t>(x.info->bytes()), call.stream);
    }

    void backward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        if (!x.gradient) return;
        if (active_)
            apply(call, x.gradient, y.gradient);
        else if (x.gradient != y.gradient)
            call.backend.copy(x.gradient, y.gradient, static_cast<std::size_t>(x.info->bytes()), call.stream);
    }

private:
    void apply(Call& call, void* out, const void* x) const {
        const ValueInfo& value = *call.inputs[0].info;
        call.backend.dropout({.dtype = value.dtype,
                              .out = out,
                              .x = x,
                              .end = value.steps(),
                              .batch = value.batch(),
                              .cols = value.width(),
                              .rate = spec_.rate,
                              .per_sequence = spec_.per_sequence,
                              .site = kSite,
                              .random = call.random,
                              .lengths = call.lengths_of(value)},
                             call.stream);
    }

    DropoutSpec spec_;
    bool active_;
};

class Dropout final : public Module {
public:
    Dropout(const DropoutSpec& spec, const Precision& precision) : spec_(spec), dtype_(precision.storage) {
        require(spec.rate >= 0 && spec.rate < 1, "rate", spec.rate, "must be in [0, 1)");
    }

    bool forward_in_place() const override { return true; }
    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == dtype_, "x", x.dtype, detail::concat("must be ", dtype_));
        require(x.shape.rank() == 2 || x.shape.rank() == 3, "x", x.shape, "must be [T,B,width] or [B,width]");
        return {x};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger&) const override {
        return std::make_unique<PlannedDropout>(spec_, request.mode);
    }

private:
    DropoutSpec spec_;
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_dropout(const DropoutSpec& spec, const Precision& precision) {
    return std::make_unique<Dropout>(spec, precision);
}

}  // namespace rondo::model
