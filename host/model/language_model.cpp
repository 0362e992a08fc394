#include "rondo/language_model.hpp"

#include "model/fields.hpp"

namespace rondo {
namespace {

constexpr std::size_t kMaxStack = 1024;

const model::Words<RecurrentClip::Kind> kClipKinds{
    {RecurrentClip::Kind::none, "none"}, {RecurrentClip::Kind::value, "value"}, {RecurrentClip::Kind::norm, "norm"}};

const model::Words<Biases> kBiases{{Biases::none, "none"}, {Biases::one, "one"}, {Biases::two, "two"}};

const model::Words<SampledSoftmaxSpec::Proposal> kProposals{{SampledSoftmaxSpec::Proposal::log_uniform, "log_uniform"},
                                                            {SampledSoftmaxSpec::Proposal::uniform, "uniform"}};

/// A layer of LanguageModelSpec::stack; its direction is always forward.
template <class Fields, class Layer>
void visit_layer(Fields& f, std::size_t index, Layer& layer) {
    const auto field = [&](const char* name, auto& value, const auto&... words) {
        f(detail::concat("model.stack.", index, ".", name).c_str(), value, words...);
    };
    field("cell", layer.cell);
    field("hidden", layer.hidden);
    field("biases", layer.biases, kBiases);
    field("peepholes", layer.options.peepholes);
    field("coupled", layer.options.coupled);
    field("reset_before", layer.options.reset_before);
    field("projection", layer.projection);
    field("cell_clip", layer.cell_clip);
    field("dropout", layer.dropout);
    field("dropout_per_sequence", layer.dropout_per_sequence);
    field("recurrent_dropout", layer.recurrent_dropout);
    field("weight_dropout", layer.weight_dropout);
    field("zoneout", layer.zoneout);
    field("zoneout_cell", layer.zoneout_cell);
}

std::vector<LayerSpec> layers_of(const LanguageModelSpec& spec) {
    if (!spec.stack.empty()) {
        for (std::size_t l = 0; l < spec.stack.size(); ++l)
            require(spec.stack[l].direction == Direction::forward, detail::concat("stack[", l, "].direction"),
                    "reverse", "must be forward, the next token is not to be seen");
        return spec.stack;
    }
    require(spec.hidden >= 1, "hidden", spec.hidden, "must be at least 1");
    require(spec.layers >= 1, "layers", spec.layers, "must be at least 1");
    LayerSpec layer;
    layer.cell = spec.cell;
    layer.hidden = spec.hidden;
    layer.options = spec.options;
    layer.projection = spec.projection;
    layer.dropout = spec.dropout;
    layer.dropout_per_sequence = spec.dropout_per_sequence;
    return std::vector<LayerSpec>(static_cast<std::size_t>(spec.layers), layer);
}

/// Every field by name, in one place for both directions.
template <class Fields, class Spec>
void visit(Fields& f, Spec& s) {
    f("model.classes", s.classes);
    f("model.embedding", s.embedding);
    f("model.cell", s.cell);
    f("model.peepholes", s.options.peepholes);
    f("model.coupled", s.options.coupled);
    f("model.reset_before", s.options.reset_before);
    f("model.hidden", s.hidden);
    f("model.layers", s.layers);
    f("model.projection", s.projection);
    f("model.dropout", s.dropout);
    f("model.dropout_per_sequence", s.dropout_per_sequence);
    f("model.tied", s.tied);
    f("model.recurrent_clip", s.recurrent_clip.kind, kClipKinds);
    f("model.recurrent_clip_limit", s.recurrent_clip.limit);
    f("model.samples", s.samples);
    f("model.proposal", s.proposal, kProposals);
}

}  // namespace

NetworkSpec network_spec(const LanguageModelSpec& spec) {
    require(spec.classes >= 2, "classes", spec.classes, "must be at least 2");
    require(spec.embedding >= 0, "embedding", spec.embedding, "must be a width, or 0 for that of hidden");
    const std::vector<LayerSpec> layers = layers_of(spec);
    const std::int64_t width = spec.embedding > 0 ? spec.embedding : layers.front().hidden;
    const StackSpec stack{width, layers, spec.precision, spec.recurrent_clip};
    const std::int64_t output = layers.back().width();
    require(!spec.tied || output == width, "tied", "true",
            detail::concat("needs an embedding as wide as the stack's output, ", output));

    NetworkSpec network;
    network.precision = spec.precision;
    network.inputs = {{.name = "tokens"}, {.name = "targets"}};
    network.nodes = {{"embedding", EmbeddingSpec{spec.classes, width}, {"tokens"}, {"embedded"}},
                     {"rnn", stack, {"embedded"}, {"hidden"}}};
    std::string top = "hidden";
    if (spec.dropout > 0) {
        network.nodes.push_back({"dropout", DropoutSpec{spec.dropout, spec.dropout_per_sequence}, {top}, {"dropped"}});
        top = "dropped";
    }
    if (spec.samples != 0) {
        const SampledSoftmaxSpec sampled{output, spec.classes, spec.samples, true, spec.proposal};
        network.nodes.push_back({"linear", sampled, {top, "targets"}});
    } else {
        network.nodes.push_back({"linear", LinearSpec{output, spec.classes}, {top}, {"logits"}});
        network.nodes.push_back({"loss", CrossEntropySpec{}, {"logits", "targets"}, {}});
    }
    if (spec.tied) network.ties = {{"linear.weight", "embedding.weight"}};
    validate(network);
    return network;
}

Metadata to_metadata(const LanguageModelSpec& spec) {
    Metadata metadata;
    model::FieldWriter writer(metadata);
    visit(writer, spec);
    writer("model.stack", spec.stack.size());
    for (std::size_t l = 0; l < spec.stack.size(); ++l) visit_layer(writer, l, spec.stack[l]);
    metadata["model.precision"] = spec.precision.name();
    return metadata;
}

LanguageModelSpec language_model_from(const Metadata& metadata) {
    LanguageModelSpec spec;
    model::FieldReader reader(metadata);
    visit(reader, spec);
    std::size_t stack = 0;
    reader("model.stack", stack);
    require(stack <= kMaxStack, "model.stack", stack, "is more layers than a file may claim");
    spec.stack.resize(stack);
    for (std::size_t l = 0; l < stack; ++l) visit_layer(reader, l, spec.stack[l]);
    spec.precision = Precision::parse(reader.text("model.precision"));
    return spec;
}

}  // namespace rondo
