#include "model/seq2seq.hpp"

#include "model/builders.hpp"
#include "scheduler/cell_info.hpp"

namespace rondo {
namespace model {
namespace {

EncoderSpec decoder_of(const Seq2SeqSpec& spec) {
    EncoderSpec d = spec.encoder;
    d.classes = spec.target_classes + 2;
    d.bidirectional = false;
    if (spec.decoder_hidden > 0) d.hidden = spec.decoder_hidden;
    if (spec.decoder_layers > 0) d.layers = spec.decoder_layers;
    return d;
}

bool same_states(const EncoderSpec& encoder, const EncoderSpec& decoder) {
    return !encoder.bidirectional && encoder.hidden == decoder.hidden && encoder.layers == decoder.layers;
}

/// tanh(W·[all final h] + b) for each layer of the decoder; its other states are zero.
std::vector<std::string> add_bridge(NetworkSpec& network, const EncoderSpec& encoder, const EncoderSpec& decoder,
                                    const std::vector<std::string>& final_states) {
    const auto states = static_cast<std::size_t>(cell_info(encoder.cell, encoder.options).states);
    const auto h_width = [](const EncoderSpec& e) { return e.projection > 0 ? e.projection : e.hidden; };
    Chain chain(network, "bridge_", final_states[0]);
    std::int64_t width = h_width(encoder);
    for (std::size_t i = states; i < final_states.size(); i += states) {
        chain.add(detail::concat("join", i / states), ConcatSpec{}, {final_states[i]});
        width += h_width(encoder);
    }
    std::vector<std::string> initial(static_cast<std::size_t>(decoder.layers) * states);
    for (std::int64_t l = 0; l < decoder.layers; ++l) {
        Chain layer = chain.branch();
        layer.add(detail::concat("linear", l), LinearSpec{width, h_width(decoder)});
        layer.add(detail::concat("tanh", l), ActivationSpec{ActivationSpec::Kind::tanh});
        initial[static_cast<std::size_t>(l) * states] = layer.value();
    }
    return initial;
}

Source add_source(NetworkSpec& network, const Seq2SeqSpec& spec) {
    Source source;
    const EncoderSpec &encoder = spec.encoder, decoder = decoder_of(spec);
    std::vector<std::string> states;
    const bool recurrent = encoder.kind == EncoderSpec::Kind::rnn;
    source.memory = add_encoder(network, encoder, "encoder_", "source", recurrent ? &states : nullptr);
    if (recurrent)
        source.initial = same_states(encoder, decoder) ? states : add_bridge(network, encoder, decoder, states);
    return source;
}

/// h and what it finds in the memory become tanh(W·[h; context] + b).
void add_luong(Chain& chain, const Seq2SeqSpec& spec, const std::string& memory, std::int64_t width,
               const std::string& weights) {
    const std::int64_t memory_width = spec.encoder.output();
    Chain queries = chain.branch(), keys = chain.branch(memory);
    AttentionSpec attention{AttentionSpec::Score::dot, 1, width};
    if (spec.attention == Seq2SeqSpec::Attention::dot) {
        require(memory_width == width, "attention", "dot",
                detail::concat("needs a memory as wide as the decoder, ", width, ", not ", memory_width));
    } else {
        keys.add("attention_k", LinearSpec{memory_width, width, false});
    }
    if (spec.attention == Seq2SeqSpec::Attention::additive) {
        queries.add("attention_q", LinearSpec{width, width});
        attention.score = AttentionSpec::Score::additive;
    }
    const std::string context = chain.name("context");
    chain.network().nodes.push_back(
        {chain.name("attention"), attention, {queries.value(), keys.value(), memory}, {context, weights}});
    chain.add("join", ConcatSpec{}, {context});
    chain.add("combine", LinearSpec{width + memory_width, width});
    chain.add("combine_tanh", ActivationSpec{ActivationSpec::Kind::tanh});
}

/// From the input "target" to the value "logits".
void add_target(NetworkSpec& network, const Seq2SeqSpec& spec, const Source& source, const std::string& weights) {
    const EncoderSpec decoder = decoder_of(spec);
    check(decoder);
    Chain chain(network, "decoder_", "target");
    if (decoder.kind == EncoderSpec::Kind::rnn) {
        const std::int64_t width = decoder.embedding > 0 ? decoder.embedding : decoder.hidden;
        add_embedding(chain, decoder, width);
        add_stack(chain, decoder, width, source.initial);
        if (spec.attention != Seq2SeqSpec::Attention::none)
            add_luong(chain, spec, source.memory, decoder.output(), weights);
    } else {
        add_embedding(chain, decoder, decoder.hidden);
        add_positions(chain, decoder);
        for (std::int64_t l = 0; l < decoder.layers; ++l)
            add_block(chain, detail::concat("block", l), decoder, true, source.memory,
                      l + 1 == decoder.layers ? weights : "");
        chain.add("norm", LayerNormSpec{decoder.hidden});
    }
    chain.drop("dropout", spec.dropout);
    network.nodes.push_back({"linear", LinearSpec{decoder.output(), decoder.classes}, {chain.value()}, {"logits"}});
}

void check_spec(const Seq2SeqSpec& spec) {
    check(spec.encoder);
    require(spec.encoder.classes > 0, "classes", spec.encoder.classes, "must be a number of ids");
    require(!spec.encoder.causal, "causal", "true", "an encoder may see all of its source");
    require(spec.target_classes >= 1, "target_classes", spec.target_classes, "must be at least 1");
    require(spec.decoder_hidden >= 0, "decoder_hidden", spec.decoder_hidden, "must be a width, or 0");
    require(spec.decoder_layers >= 0, "decoder_layers", spec.decoder_layers, "must be a number, or 0");
    require(spec.encoder.kind == EncoderSpec::Kind::rnn || spec.decoder_hidden == 0 ||
                spec.decoder_hidden == spec.encoder.hidden,
            "decoder_hidden", spec.decoder_hidden, "must be 0 in a transformer");
}

}  // namespace

NetworkSpec source_network(const Seq2SeqSpec& spec, Source& source) {
    NetworkSpec network;
    network.precision = spec.encoder.precision;
    network.inputs = {{"source"}};
    source = add_source(network, spec);
    return network;
}

NetworkSpec target_network(const Seq2SeqSpec& spec, bool weights) {
    NetworkSpec network;
    network.precision = spec.encoder.precision;
    network.inputs = {{"target"}, {"memory", network.precision.storage, spec.encoder.output()}};
    add_target(network, spec, {"memory", {}}, weights ? "weights" : "");
    return network;
}

}  // namespace model

NetworkSpec network_spec(const Seq2SeqSpec& spec) {
    model::check_spec(spec);
    NetworkSpec network;
    network.precision = spec.encoder.precision;
    network.inputs = {{"source"}, {"target"}, {"targets"}};
    model::add_target(network, spec, model::add_source(network, spec), "");
    network.nodes.push_back({"loss", CrossEntropySpec{}, {"logits", "targets"}});
    validate(network);
    return network;
}

}  // namespace rondo
