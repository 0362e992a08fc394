#include "cli/model_config.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/json_fields.hpp"
#include "cli/stack_words.hpp"

namespace rondo::cli {
namespace {

/// What one layer can be told apart from the others; everything else it has from the whole.
constexpr std::array<std::string_view, 14> kLayerFields{"cell",
                                                        "hidden",
                                                        "projection",
                                                        "biases",
                                                        "peepholes",
                                                        "coupled",
                                                        "reset_before",
                                                        "cell_clip",
                                                        "dropout",
                                                        "dropout_per_sequence",
                                                        "recurrent_dropout",
                                                        "weight_dropout",
                                                        "zoneout",
                                                        "zoneout_cell"};

LayerSpec layer_of(const TrainConfig& c) {
    require(c.hidden >= 1, "hidden", c.hidden, "must be at least 1");
    LayerSpec layer;
    layer.cell = c.cell;
    layer.direction = c.bidirectional ? Direction::bidirectional : Direction::forward;
    layer.hidden = c.hidden;
    layer.projection = c.projection;
    layer.biases = parse_biases(c.biases);
    layer.options = {.peepholes = c.peepholes, .coupled = c.coupled, .reset_before = c.reset_before};
    layer.cell_clip = c.cell_clip;
    layer.dropout = c.dropout;
    layer.dropout_per_sequence = c.dropout_per_sequence && c.dropout > 0;
    layer.recurrent_dropout = c.recurrent_dropout;
    layer.weight_dropout = c.weight_dropout;
    layer.zoneout = c.zoneout;
    layer.zoneout_cell = c.zoneout_cell;
    return layer;
}

std::int64_t layer_count(const TrainConfig& c) {
    require(c.layers.is_number(), "layers", c.layers.dump(), "must be a number: a list is for model rnn");
    const auto count = c.layers.get<std::int64_t>();
    require(count >= 1 && count <= 1000, "layers", count, "must be in [1, 1000]");
    return count;
}

std::vector<LayerSpec> layers_of(const TrainConfig& config) {
    if (config.layers.is_number())
        return std::vector<LayerSpec>(static_cast<std::size_t>(layer_count(config)), layer_of(config));
    require(!config.layers.empty(), "layers", "[]", "must name at least one layer");
    std::vector<LayerSpec> layers;
    for (const nlohmann::json& object : config.layers) {
        const std::string at = detail::concat("layers[", layers.size(), "]");
        require(object.is_object(), at, object.dump(), "must be an object");
        TrainConfig own = config;
        for (const auto& [key, value] : object.items()) {
            if (std::find(kLayerFields.begin(), kLayerFields.end(), key) == kLayerFields.end())
                refuse(at, key, "is no field of a layer");
            visit_fields(
                [&, &name = key, &given = value](const char* field, auto& place, Fixed, const char*) {
                    if (name == field) set_field(at + "." + name, given, place);
                },
                own);
        }
        layers.push_back(layer_of(own));
    }
    return layers;
}

/// The recurrent layers, and what the first one drops of the embedding.
std::vector<LayerSpec> stack_of(const TrainConfig& c) {
    std::vector<LayerSpec> layers = layers_of(c);
    if (c.input_dropout) {
        layers.front().dropout = *c.input_dropout;
        layers.front().dropout_per_sequence = c.dropout_per_sequence && *c.input_dropout > 0;
    }
    return layers;
}

/// Characters and words are numbered by falling count, bytes are not.
SampledSoftmaxSpec::Proposal proposal_of(const TrainConfig& c) {
    return c.tokens == "bytes" ? SampledSoftmaxSpec::Proposal::uniform : SampledSoftmaxSpec::Proposal::log_uniform;
}

NetworkSpec transformer_of(const TrainConfig& c, std::int64_t classes) {
    require(c.window <= c.max_steps, "window", c.window, detail::concat("must be at most max_steps, ", c.max_steps));
    SequenceModelSpec spec{encoder_of(c, classes), SequenceModelSpec::Head::next_token};
    spec.encoder.causal = true;
    spec.outputs = classes;
    set_output_dropout(c, spec);
    spec.tied = c.tied;
    spec.samples = c.samples;
    spec.proposal = proposal_of(c);
    return network_spec(spec);
}

}  // namespace

EncoderSpec encoder_of(const TrainConfig& c, std::int64_t classes, std::int64_t features) {
    EncoderSpec spec;
    spec.kind = parse_model(c.model);
    spec.classes = classes;
    spec.features = features;
    spec.embedding = c.embedding;
    spec.dropout = c.dropout;
    spec.precision = Precision::parse(c.dtype);
    if (spec.kind == EncoderSpec::Kind::rnn) {
        spec.stack = stack_of(c);
        spec.recurrent_clip = parse_recurrent_clip(c.recurrent_clip);
        return spec;
    }
    spec.hidden = c.hidden;
    spec.layers = layer_count(c);
    spec.heads = c.heads;
    spec.feed_forward = c.feed_forward;
    spec.steps = c.max_steps;
    spec.positions = parse_positions(c.positions);
    return spec;
}

NetworkSpec network_of(const TrainConfig& c, std::int64_t classes) {
    if (parse_model(c.model) == EncoderSpec::Kind::transformer) return transformer_of(c, classes);
    require(!c.bidirectional, "bidirectional", "true", "a language model must not see the next token");
    LanguageModelSpec spec;
    spec.classes = classes;
    spec.embedding = c.embedding;
    spec.stack = stack_of(c);
    set_output_dropout(c, spec);
    spec.tied = c.tied;
    spec.samples = c.samples;
    spec.proposal = proposal_of(c);
    spec.recurrent_clip = parse_recurrent_clip(c.recurrent_clip);
    spec.precision = Precision::parse(c.dtype);
    return network_spec(spec);
}

TrainerSpec trainer_of(const TrainConfig& c) {
    TrainerSpec spec;
    spec.optimizer = {.rule = parse_rule(c.optimizer),
                      .momentum = c.momentum,
                      .nesterov = c.nesterov,
                      .beta1 = c.beta1,
                      .beta2 = c.beta2,
                      .epsilon = c.epsilon,
                      .weight_decay = c.weight_decay,
                      .decay_biases = c.decay_biases};
    spec.schedule = {.kind = parse_schedule(c.schedule),
                     .rate = c.lr,
                     .factor = c.factor,
                     .every = c.every,
                     .after = c.after,
                     .warmup = c.warmup,
                     .total = c.total > 0 || c.schedule != "cosine" ? c.total : c.steps,
                     .minimum = c.minimum};
    spec.clip = {.kind = parse_clip(c.clip), .limit = c.clip == "none" ? 0 : c.clip_limit};
    spec.reduction = parse_reduction(c.reduction);
    spec.window = c.window;
    spec.history = c.history;
    spec.seed = static_cast<std::uint64_t>(c.seed);
    spec.max_skipped = c.max_skipped;
    validate(spec);
    return spec;
}

InitSpec init_of(const TrainConfig& c) {
    return {.kind = c.init == "uniform" ? InitSpec::Kind::uniform : InitSpec::Kind::standard,
            .range = c.init_range,
            .forget_bias = c.forget_bias,
            .seed = static_cast<std::uint64_t>(c.seed)};
}

}  // namespace rondo::cli
