#include "model/builders.hpp"

#include "scheduler/cell_info.hpp"

namespace rondo::model {

void Chain::add(const std::string& node, ModuleSpec module, std::vector<std::string> others) {
    others.insert(others.begin(), value_);
    value_ = name(node + "_y");
    network_->nodes.push_back({name(node), std::move(module), std::move(others), {value_}});
}

void Chain::drop(const std::string& node, double rate, bool per_sequence) {
    if (rate > 0) add(node, DropoutSpec{rate, per_sequence});
}

std::vector<LayerSpec> layers_of(const EncoderSpec& spec) {
    if (!spec.stack.empty()) return spec.stack;
    LayerSpec layer;
    layer.cell = spec.cell;
    layer.hidden = spec.hidden;
    layer.options = spec.options;
    layer.projection = spec.projection;
    layer.dropout = spec.dropout;
    layer.direction = spec.bidirectional ? Direction::bidirectional : Direction::forward;
    return std::vector<LayerSpec>(static_cast<std::size_t>(spec.layers), layer);
}

int states_of(const LayerSpec& layer) { return cell_info(layer.cell, layer.options).states; }

std::int64_t word_width(const EncoderSpec& spec) {
    return spec.embedding > 0 ? spec.embedding : layers_of(spec).front().hidden;
}

void check(const EncoderSpec& spec) {
    require(spec.classes >= 0, "classes", spec.classes, "must be a number of ids, or 0 for an input of numbers");
    require(spec.classes > 0 || spec.features >= 1, "features", spec.features, "must be at least 1");
    require(spec.embedding >= 0, "embedding", spec.embedding, "must be a width, or 0 for hidden");
    if (spec.stack.empty()) {
        require(spec.hidden >= 1, "hidden", spec.hidden, "must be at least 1");
        require(spec.layers >= 1, "layers", spec.layers, "must be at least 1");
    }
    require(spec.dropout >= 0 && spec.dropout < 1, "dropout", spec.dropout, "must be in [0, 1)");
    if (spec.kind == EncoderSpec::Kind::rnn) {
        require(!spec.causal, "causal", "true", "is the transformer's; a stack that is not bidirectional is");
        return;
    }
    require(spec.stack.empty(), "stack", spec.stack.size(), "layers are the recurrent model's");
    require(spec.heads >= 1 && spec.hidden % spec.heads == 0, "heads", spec.heads,
            detail::concat("must divide hidden = ", spec.hidden));
    require(spec.feed_forward >= 0, "feed_forward", spec.feed_forward, "must be a width, or 0 for 4 times hidden");
    require(!spec.bidirectional, "bidirectional", "true", "is the recurrent model's");
    require(spec.projection == 0, "projection", spec.projection, "is the recurrent model's");
}

void add_embedding(Chain& chain, const EncoderSpec& spec, std::int64_t width) {
    if (spec.classes > 0) chain.add("embedding", EmbeddingSpec{spec.classes, width});
}

void add_stack(Chain& chain, const EncoderSpec& spec, std::int64_t width, std::vector<std::string> initial,
               std::vector<std::string>* states) {
    const std::vector<LayerSpec> layers = layers_of(spec);
    chain.add("rnn", StackSpec{width, layers, spec.precision, spec.recurrent_clip}, std::move(initial));
    if (!states) return;
    std::vector<std::string>& outputs = chain.network().nodes.back().outputs;
    for (std::size_t l = 0; l < layers.size(); ++l)
        for (int d = 0; d < layers[l].directions(); ++d)
            for (int s = 0; s < states_of(layers[l]); ++s) {
                outputs.push_back(chain.name(detail::concat("final_", l, "_", d, "_", s)));
                states->push_back(outputs.back());
            }
}

void add_positions(Chain& chain, const EncoderSpec& spec) {
    if (spec.classes == 0) chain.add("widen", LinearSpec{spec.features, spec.hidden});
    if (spec.positions == PositionSpec::Kind::sinusoidal && spec.classes > 0)
        // An embedding's elements are of the size of a sinusoid's, or the one would drown the other.
        chain.add("embedding_norm", LayerNormSpec{spec.hidden});
    chain.add("positions", PositionSpec{spec.positions, spec.hidden, spec.steps});
    chain.drop("positions_dropout", spec.dropout);
}

namespace {

/// From the chain to `memory`, or to itself.
void add_attention(Chain& chain, const std::string& name, const EncoderSpec& spec, bool causal,
                   const std::string& memory, const std::string& weights) {
    const LinearSpec square{spec.hidden, spec.hidden};
    const Chain source = memory.empty() ? chain.branch() : chain.branch(memory);
    Chain queries = chain.branch(), keys = source, values = source;
    queries.add(name + "_q", square);
    keys.add(name + "_k", square);
    values.add(name + "_v", square);
    const std::string mixed = chain.name(name + "_mixed");
    chain.network().nodes.push_back({chain.name(name),
                                     AttentionSpec{AttentionSpec::Score::scaled_dot, spec.heads, spec.hidden, causal},
                                     {queries.value(), keys.value(), values.value()},
                                     {mixed, weights}});
    chain.go_on_from(mixed);
    chain.add(name + "_o", square);
}

void add_feed_forward(Chain& chain, const std::string& name, const EncoderSpec& spec) {
    const std::int64_t inner = spec.feed_forward > 0 ? spec.feed_forward : 4 * spec.hidden;
    chain.add(name + "_widen", LinearSpec{spec.hidden, inner});
    chain.add(name + "_gelu", ActivationSpec{ActivationSpec::Kind::gelu});
    chain.add(name + "_narrow", LinearSpec{inner, spec.hidden});
}

/// x + dropout(part(norm(x)))
template <class Part>
void add_residual(Chain& chain, const std::string& name, const EncoderSpec& spec, Part part) {
    const std::string before = chain.value();
    chain.add(name + "_norm", LayerNormSpec{spec.hidden});
    part(name);
    chain.drop(name + "_dropout", spec.dropout);
    chain.add(name + "_sum", AddSpec{}, {before});
}

}  // namespace

void add_block(Chain& chain, const std::string& name, const EncoderSpec& spec, bool causal, const std::string& memory,
               const std::string& weights) {
    add_residual(chain, name + "_self", spec,
                 [&](const std::string& part) { add_attention(chain, part, spec, causal, "", ""); });
    if (!memory.empty())
        add_residual(chain, name + "_cross", spec,
                     [&](const std::string& part) { add_attention(chain, part, spec, false, memory, weights); });
    add_residual(chain, name + "_ffn", spec, [&](const std::string& part) { add_feed_forward(chain, part, spec); });
}

}  // namespace rondo::model
