/// y[t,b,:] = weight[ids[t,b],:]
#include "model/module.hpp"

namespace rondo::model {
namespace {

class PlannedEmbedding final : public PlannedModule {
public:
    PlannedEmbedding(const EmbeddingSpec& spec, const Precision& precision)
        : spec_(spec), dtype_(precision.storage), table_dtype_(precision.accumulate) {}

    void forward(Call& call) override {
        const Place &ids = call.inputs[0], &y = call.outputs[0];
        call.backend.embedding_forward(dtype_, y.data, table_dtype_, call.blocks[0].data,
                                       static_cast<const std::int32_t*>(ids.data), ids.info->shape.size(), spec_.width,
                                       call.stream);
    }

    void backward(Call& call) override {
        BlockPlace& weight = call.blocks[0];
        const Place& ids = call.inputs[0];
        if (!weight.accumulate)
            call.backend.zero(weight.gradient,
                              static_cast<std::size_t>(spec_.classes * spec_.width * size_of(table_dtype_)),
                              call.stream);
        call.backend.embedding_backward(table_dtype_, weight.gradient, dtype_, call.outputs[0].gradient,
                                        static_cast<const std::int32_t*>(ids.data), ids.info->shape.size(), spec_.width,
                                        spec_.classes, call.stream);
    }

private:
    EmbeddingSpec spec_;
    DType dtype_, table_dtype_;
};

class Embedding final : public Module {
public:
    Embedding(const EmbeddingSpec& spec, const Precision& precision) : spec_(spec), precision_(precision) {
        require(spec.classes >= 1, "classes", spec.classes, "must be at least 1");
        require(spec.width >= 1, "width", spec.width, "must be at least 1");
    }

    std::vector<ParameterBlock> blocks() const override {
        const Shape shape{spec_.classes, spec_.width};
        return {{{{.name = "weight", .shape = shape}}, shape.size()}};
    }
    std::int64_t classes(int) const override { return spec_.classes; }

    std::vector<ValueInfo> infer(std::span<const ValueInfo* const> inputs) const override {
        require(inputs[0]->dtype == DType::i32, "ids", inputs[0]->dtype, "must be i32");
        Shape shape = inputs[0]->shape;
        shape.append(spec_.width);
        return {{precision_.storage, shape, inputs[0]->lengths}};
    }

    std::unique_ptr<PlannedModule> plan(const PlanRequest&, Ledger&) const override {
        return std::make_unique<PlannedEmbedding>(spec_, precision_);
    }

private:
    EmbeddingSpec spec_;
    Precision precision_;
};

}  // namespace

std::unique_ptr<Module> make_embedding(const EmbeddingSpec& spec, const Precision& precision) {
    return std::make_unique<Embedding>(spec, precision);
}

}  // namespace rondo::model
