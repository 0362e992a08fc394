/// y = a + b: residual connections.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedAdd final : public PlannedModule {
public:
    void forward(Call& call) override {
        const Place &a = call.inputs[0], &y = call.outputs[0];
        call.backend.copy(y.data, a.data, bytes(y), call.stream);
        call.backend.add(y.info->dtype, y.data, call.inputs[1].data, y.info->shape.size(), call.stream);
    }
    void backward(Call& call) override {
        const Place& y = call.outputs[0];
        for (const Place& input : call.inputs)
            if (input.gradient) call.backend.copy(input.gradient, y.gradient, bytes(y), call.stream);
    }

private:
    static std::size_t bytes(const Place& place) { return static_cast<std::size_t>(place.info->bytes()); }
};

class Add final : public Module {
public:
    explicit Add(DType dtype) : dtype_(dtype) {}

    int inputs() const override { return 2; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo &a = *inputs[0], &b = *inputs[1];
        require(a.dtype == dtype_, "a", a.dtype, detail::concat("must be ", dtype_));
        require(b.dtype == dtype_ && b.shape == a.shape, "b", b.shape,
                detail::concat("must be ", dtype_, " ", a.shape));
        return {{a.dtype, a.shape, common_lengths(a, b)}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedAdd>();
    }

private:
    DType dtype_;
};

}  // namespace

std::unique_ptr<Module> make_add(const AddSpec&, const Precision& precision) {
    return std::make_unique<Add>(precision.storage);
}

}  // namespace rondo::model
