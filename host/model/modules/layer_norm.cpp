/// Layer normalisation over the last axis.
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedLayerNorm final : public PlannedModule {
public:
    PlannedLayerNorm(const LayerNormSpec& spec, const Precision& precision, std::int64_t mean, std::int64_t scale)
        : spec_(spec), bias_offset_(spec.width * size_of(precision.accumulate)), mean_(mean), scale_(scale) {}

    void forward(Call& call) override {
        LayerNorm args = layer_norm(call);
        args.bias = static_cast<std::byte*>(call.blocks[0].data) + bias_offset_;
        args.y = call.outputs[0].data;
        call.backend.layer_norm_forward(args, call.stream);
    }
    void backward(Call& call) override {
        LayerNorm args = layer_norm(call);
        args.dy = call.outputs[0].gradient;
        args.dx = call.inputs[0].gradient;
        args.dgain = call.blocks[0].gradient;
        args.dbias = static_cast<std::byte*>(call.blocks[0].gradient) + bias_offset_;
        args.accumulate = call.blocks[0].accumulate;
        call.backend.layer_norm_backward(args, call.stream);
    }

private:
    LayerNorm layer_norm(const Call& call) const {
        const Place& x = call.inputs[0];
        return {.dtype = x.info->dtype,
                .rows = x.info->rows(),
                .cols = spec_.width,
                .epsilon = spec_.epsilon,
                .x = x.data,
                .gain = call.blocks[0].data,
                .mean = call.arena + mean_,
                .scale = call.arena + scale_};
    }

    LayerNormSpec spec_;
    std::int64_t bias_offset_, mean_, scale_;
};

class LayerNormModule final : public Module {
public:
    LayerNormModule(const LayerNormSpec& spec, const Precision& precision) : spec_(spec), precision_(precision) {
        require(spec.width >= 1, "width", spec.width, "must be at least 1");
        require(spec.epsilon > 0, "epsilon", spec.epsilon, "must be positive");
    }

    std::vector<ParameterBlock> blocks() const override {
        const Shape shape{spec_.width};
        return {{{{.name = "gain", .shape = shape, .constant = 1},
                  {.name = "bias", .shape = shape, .offset = spec_.width, .bias = true, .constant = 0}},
                 2 * spec_.width}};
    }
    bool gradient_in_place() const override { return true; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == precision_.storage, "x", x.dtype, detail::concat("must be ", precision_.storage));
        require(x.shape.rank() >= 2 && x.width() == spec_.width, "x", x.shape,
                detail::concat("must be [..., ", spec_.width, "]"));
        return {x};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest& request, Ledger& ledger) const override {
        const std::int64_t bytes = request.inputs[0]->rows() * size_of(precision_.accumulate);
        const std::int64_t mean = ledger.book(Ledger::Kind::reserve, request.name + ".mean", bytes);
        return std::make_unique<PlannedLayerNorm>(spec_, precision_, mean,
                                                  ledger.book(Ledger::Kind::reserve, request.name + ".scale", bytes));
    }

private:
    LayerNormSpec spec_;
    Precision precision_;
};

}  // namespace

std::unique_ptr<Module> make_layer_norm(const LayerNormSpec& spec, const Precision& precision) {
    return std::make_unique<LayerNormModule>(spec, precision);
}

}  // namespace rondo::model
