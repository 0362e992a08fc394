/// y = x · weightᵀ + bias, over all rows at once.
#include <cmath>

#include "model/device_buffer.hpp"
#include "model/module.hpp"

namespace rondo::model {
namespace {

/// Copies of the parameters in the type that products read, where that is not their own.
struct LinearCopies {
    DeviceBuffer weight, bias;
};

class PlannedLinear final : public PlannedModule {
public:
    PlannedLinear(const LinearSpec& spec, const Precision& precision, const LinearCopies& copies)
        : spec_(spec), precision_(precision), copies_(copies) {}

    void forward(Call& call) override {
        const Place &x = call.inputs[0], &y = call.outputs[0];
        Product p = product();
        p.m = x.info->rows();
        p.n = spec_.output;
        p.k = spec_.input;
        p.a = x.data;
        p.a_stride = spec_.input;
        p.b = weight(call);
        p.b_stride = spec_.input;
        p.b_transposed = true;
        p.c = y.data;
        p.c_stride = spec_.output;
        if (spec_.bias) p.bias = copies_.bias.data() ? copies_.bias.data() : call.blocks[1].data;
        call.backend.product(p, call.stream);
    }

    void backward(Call& call) override {
        weight_gradient(call);
        if (spec_.bias)
            call.backend.column_sums(precision_.storage, call.blocks[1].gradient, call.outputs[0].gradient,
                                     call.outputs[0].info->rows(), spec_.output, spec_.output,
                                     call.blocks[1].accumulate, call.stream);
        if (call.inputs[0].gradient) input_gradient(call);
    }

private:
    const void* weight(const Call& call) const {
        return copies_.weight.data() ? copies_.weight.data() : call.blocks[0].data;
    }

    Product product() const {
        Product p;
        p.dtype = p.c_dtype = precision_.storage;
        p.math = precision_.math;
        return p;
    }

    /// dweight[output,input] = dyᵀ · x
    void weight_gradient(Call& call) const {
        const Place& x = call.inputs[0];
        Product p = product();
        p.c_dtype = precision_.accumulate;
        p.m = spec_.output;
        p.n = spec_.input;
        p.k = x.info->rows();
        p.a = call.outputs[0].gradient;
        p.a_stride = spec_.output;
        p.a_transposed = true;
        p.b = x.data;
        p.b_stride = spec_.input;
        p.c = call.blocks[0].gradient;
        p.c_stride = spec_.input;
        p.accumulate = call.blocks[0].accumulate;
        call.backend.product(p, call.stream);
    }

    /// dx = dy · weight
    void input_gradient(Call& call) const {
        Product p = product();
        p.m = call.inputs[0].info->rows();
        p.n = spec_.input;
        p.k = spec_.output;
        p.a = call.outputs[0].gradient;
        p.a_stride = spec_.output;
        p.b = weight(call);
        p.b_stride = spec_.input;
        p.c = call.inputs[0].gradient;
        p.c_stride = spec_.input;
        call.backend.product(p, call.stream);
    }

    LinearSpec spec_;
    Precision precision_;
    const LinearCopies& copies_;
};

class Linear final : public Module {
public:
    Linear(const LinearSpec& spec, const Precision& precision) : spec_(spec), precision_(precision) {
        require(spec.input >= 1, "input", spec.input, "must be at least 1");
        require(spec.output >= 1, "output", spec.output, "must be at least 1");
    }

    std::vector<ParameterBlock> blocks() const override {
        const double bound = 1 / std::sqrt(static_cast<double>(spec_.input));
        const Shape shape{spec_.output, spec_.input};
        std::vector<ParameterBlock> blocks{{{{.name = "weight", .shape = shape, .bound = bound}}, shape.size()}};
        if (spec_.bias)
            blocks.push_back({{{.name = "bias", .shape = {spec_.output}, .bias = true, .bound = bound}}, spec_.output});
        return blocks;
    }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        const ValueInfo& x = *inputs[0];
        require(x.dtype == precision_.storage, "x", x.dtype, detail::concat("must be ", precision_.storage));
        require(x.shape.rank() >= 2 && x.width() == spec_.input, "x", x.shape,
                detail::concat("must be [..., ", spec_.input, "]"));
        Shape shape;
        for (int i = 0; i + 1 < x.shape.rank(); ++i) shape.append(x.shape[i]);
        shape.append(spec_.output);
        return {{precision_.storage, shape, x.lengths}};
    }

    void attach(const Device& device) override {
        device_ = std::make_unique<Device>(device);
        copies_.weight = DeviceBuffer(device, device.backend().packed_bytes(weight_packing()));
        if (spec_.bias) copies_.bias = DeviceBuffer(device, device.backend().packed_bytes(bias_packing()));
    }
    void prepare(std::span<const void* const> blocks, Stream stream) override {
        if (copies_.weight.data()) device_->backend().pack(weight_packing(), blocks[0], copies_.weight.data(), stream);
        if (copies_.bias.data()) device_->backend().pack(bias_packing(), blocks[1], copies_.bias.data(), stream);
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedLinear>(spec_, precision_, copies_);
    }

private:
    Packing weight_packing() const { return {Packing::Kind::plain, precision_.storage, 1, spec_.output, spec_.input}; }
    Packing bias_packing() const { return {Packing::Kind::plain, precision_.storage, 1, 1, spec_.output}; }

    LinearSpec spec_;
    Precision precision_;
    std::unique_ptr<Device> device_;
    LinearCopies copies_;
};

}  // namespace

std::unique_ptr<Module> make_linear(const LinearSpec& spec, const Precision& precision) {
    return std::make_unique<Linear>(spec, precision);
}

}  // namespace rondo::model
