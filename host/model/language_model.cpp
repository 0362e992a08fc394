#include "rondo/language_model.hpp"

#include "model/fields.hpp"

namespace rondo {
namespace {

const model::Words<RecurrentClip::Kind> kClipKinds{
    {RecurrentClip::Kind::none, "none"}, {RecurrentClip::Kind::value, "value"}, {RecurrentClip::Kind::norm, "norm"}};

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
}

}  // namespace

NetworkSpec network_spec(const LanguageModelSpec& spec) {
    require(spec.classes >= 2, "classes", spec.classes, "must be at least 2");
    require(spec.hidden >= 1, "hidden", spec.hidden, "must be at least 1");
    require(spec.layers >= 1, "layers", spec.layers, "must be at least 1");
    require(spec.embedding >= 0, "embedding", spec.embedding, "must be a width, or 0 for that of hidden");
    const std::int64_t width = spec.embedding > 0 ? spec.embedding : spec.hidden;
    LayerSpec layer;
    layer.cell = spec.cell;
    layer.hidden = spec.hidden;
    layer.options = spec.options;
    layer.projection = spec.projection;
    layer.dropout = spec.dropout;
    layer.dropout_per_sequence = spec.dropout_per_sequence;
    const StackSpec stack{width, std::vector<LayerSpec>(static_cast<std::size_t>(spec.layers), layer), spec.precision,
                          spec.recurrent_clip};
    const std::int64_t output = layer.width();
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
    network.nodes.push_back({"linear", LinearSpec{output, spec.classes}, {top}, {"logits"}});
    network.nodes.push_back({"loss", CrossEntropySpec{}, {"logits", "targets"}, {}});
    if (spec.tied) network.ties = {{"linear.weight", "embedding.weight"}};
    validate(network);
    return network;
}

Metadata to_metadata(const LanguageModelSpec& spec) {
    Metadata metadata;
    model::FieldWriter writer(metadata);
    visit(writer, spec);
    metadata["model.precision"] = spec.precision.name();
    return metadata;
}

LanguageModelSpec language_model_from(const Metadata& metadata) {
    LanguageModelSpec spec;
    model::FieldReader reader(metadata);
    visit(reader, spec);
    spec.precision = Precision::parse(reader.text("model.precision"));
    return spec;
}

}  // namespace rondo
