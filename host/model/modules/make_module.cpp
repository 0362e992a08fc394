/// From a module's description to the module: the one place that knows all kinds.
#include "model/module.hpp"

namespace rondo::model {
namespace {

struct Maker {
    const Precision& precision;
    std::unique_ptr<Module> operator()(const EmbeddingSpec& s) const { return make_embedding(s, precision); }
    std::unique_ptr<Module> operator()(const StackSpec& s) const { return make_stack(s, precision); }
    std::unique_ptr<Module> operator()(const LinearSpec& s) const { return make_linear(s, precision); }
    std::unique_ptr<Module> operator()(const DropoutSpec& s) const { return make_dropout(s, precision); }
    std::unique_ptr<Module> operator()(const AddSpec& s) const { return make_add(s, precision); }
    std::unique_ptr<Module> operator()(const ActivationSpec& s) const { return make_activation(s, precision); }
    std::unique_ptr<Module> operator()(const LayerNormSpec& s) const { return make_layer_norm(s, precision); }
    std::unique_ptr<Module> operator()(const PositionSpec& s) const { return make_position(s, precision); }
    std::unique_ptr<Module> operator()(const ConcatSpec& s) const { return make_concat(s, precision); }
    std::unique_ptr<Module> operator()(const RepeatSpec& s) const { return make_repeat(s, precision); }
    std::unique_ptr<Module> operator()(const PoolSpec& s) const { return make_pool(s, precision); }
    std::unique_ptr<Module> operator()(const AttentionSpec& s) const { return make_attention(s, precision); }
    std::unique_ptr<Module> operator()(const SampleSpec& s) const { return make_sample(s, precision); }
    std::unique_ptr<Module> operator()(const SelectSpec& s) const { return make_select(s, precision); }
    std::unique_ptr<Module> operator()(const LoopSpec& s) const { return make_loop(s, precision); }
    std::unique_ptr<Module> operator()(const CtcSpec& s) const { return make_ctc(s, precision); }
    std::unique_ptr<Module> operator()(const CrossEntropySpec& s) const { return make_cross_entropy(s, precision); }
    std::unique_ptr<Module> operator()(const SquaredErrorSpec& s) const { return make_squared_error(s, precision); }
    std::unique_ptr<Module> operator()(const SampledSoftmaxSpec& s) const { return make_sampled_softmax(s, precision); }
};

}  // namespace

std::unique_ptr<Module> make_module(const ModuleSpec& spec, const Precision& precision) {
    return std::visit(Maker{precision}, spec);
}

}  // namespace rondo::model
