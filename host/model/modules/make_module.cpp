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
    std::unique_ptr<Module> operator()(const CrossEntropySpec& s) const { return make_cross_entropy(s, precision); }
    std::unique_ptr<Module> operator()(const SquaredErrorSpec& s) const { return make_squared_error(s, precision); }
};

}  // namespace

std::unique_ptr<Module> make_module(const ModuleSpec& spec, const Precision& precision) {
    return std::visit(Maker{precision}, spec);
}

}  // namespace rondo::model
