#include "model/seq2seq.hpp"

#include <algorithm>

#include "model/builders.hpp"

namespace rondo {
namespace model {
namespace {

EncoderSpec decoder_of(const Seq2SeqSpec& spec) {
    EncoderSpec d = spec.encoder;
    d.classes = spec.target_classes + 2;
    d.bidirectional = false;
    for (LayerSpec& layer : d.stack) layer.direction = Direction::forward;
    if (spec.decoder_hidden > 0) d.hidden = spec.decoder_hidden;
    if (spec.decoder_layers > 0) d.layers = spec.decoder_layers;
    return d;
}

/// Whether the decoder's layers are the encoder's, so that the one's states are the other's.
bool same_states(const EncoderSpec& encoder, const EncoderSpec& decoder) {
    return layers_of(encoder) == layers_of(decoder);
}

/// tanh(W·[all final h] + b) for each layer of the decoder; its other states are zero.
std::vector<std::string> add_bridge(NetworkSpec& network, const EncoderSpec& encoder, const EncoderSpec& decoder,
                                    const std::vector<std::string>& final_states) {
    Chain chain(network, "bridge_", final_states[0]);
    std::int64_t width = 0;
    std::size_t next = 0, joined = 0;
    for (const LayerSpec& layer : layers_of(encoder))
        for (int d = 0; d < layer.directions(); ++d) {
            if (width > 0) chain.add(detail::concat("join", ++joined), ConcatSpec{}, {final_states[next]});
            width += layer.width();
            next += static_cast<std::size_t>(states_of(layer));
        }
    std::vector<std::string> initial;
    const std::vector<LayerSpec> layers = layers_of(decoder);
    for (std::size_t l = 0; l < layers.size(); ++l) {
        Chain h = chain.branch();
        h.add(detail::concat("linear", l), LinearSpec{width, layers[l].width()});
        h.add(detail::concat("tanh", l), ActivationSpec{ActivationSpec::Kind::tanh});
        initial.push_back(h.value());
        initial.resize(initial.size() + static_cast<std::size_t>(states_of(layers[l])) - 1);
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

/// The decoder's own states begin as its stack's do, and what is fed back as nothing or, where the state before the step
/// asks, as the state that the stack begins with.
std::vector<std::string> loop_initial(const Seq2SeqSpec& spec, const EncoderSpec& decoder, const Source& source) {
    std::vector<std::string> initial = source.initial;
    if (initial.empty()) return initial;
    const std::size_t top = initial.size() - static_cast<std::size_t>(states_of(layers_of(decoder).back()));
    if (spec.attention != Seq2SeqSpec::Attention::none && spec.decoder != Seq2SeqSpec::Decoder::luong)
        initial.push_back(spec.decoder == Seq2SeqSpec::Decoder::bahdanau ? initial[top] : "");
    if (spec.own_words != Seq2SeqSpec::OwnWords::never) initial.push_back("");
    return initial;
}

/// What queries are compared with, once for all steps.
std::string add_keys(Chain& chain, const Seq2SeqSpec& spec, const std::string& memory, std::int64_t width) {
    const std::int64_t memory_width = spec.encoder.output();
    if (spec.attention == Seq2SeqSpec::Attention::dot) {
        require(memory_width == width, "attention", "dot",
                detail::concat("needs a memory as wide as the decoder, ", width, ", not ", memory_width));
        return memory;
    }
    Chain keys = chain.branch(memory);
    keys.add("attention_k", LinearSpec{memory_width, width, false});
    return keys.value();
}

/// What `query` finds in the memory.
std::string add_context(Chain& chain, const Seq2SeqSpec& spec, const std::string& query, const std::string& keys,
                        const std::string& memory, std::int64_t width, const std::string& weights) {
    Chain queries = chain.branch(query);
    AttentionSpec attention{AttentionSpec::Score::dot, 1, width};
    if (spec.attention == Seq2SeqSpec::Attention::additive) {
        queries.add("attention_q", LinearSpec{width, width});
        attention.score = AttentionSpec::Score::additive;
    }
    std::string context = chain.name("context");
    chain.network().nodes.push_back(
        {chain.name("attention"), attention, {queries.value(), keys, memory}, {context, weights}});
    return context;
}

/// h and its context become tanh(W·[h; context] + b).
void add_combination(Chain& chain, const std::string& context, std::int64_t width, std::int64_t memory_width) {
    chain.add("join", ConcatSpec{}, {context});
    chain.add("combine", LinearSpec{width + memory_width, width});
    chain.add("combine_tanh", ActivationSpec{ActivationSpec::Kind::tanh});
}

void add_output(Chain& chain, const Seq2SeqSpec& spec, const EncoderSpec& decoder) {
    chain.drop("dropout", spec.dropout, spec.dropout_per_sequence);
    chain.network().nodes.push_back(
        {"linear", LinearSpec{decoder.output(), decoder.classes}, {chain.value()}, {"logits"}});
}

/// The decoder as a loop over its steps. `weights` is a value of the network around it, too.
void add_steps(NetworkSpec& network, const Seq2SeqSpec& spec, const EncoderSpec& decoder, const Source& source,
               const std::string& weights) {
    using Attention = Seq2SeqSpec::Attention;
    using Decoder = Seq2SeqSpec::Decoder;
    const bool attends = spec.attention != Attention::none, own = spec.own_words != Seq2SeqSpec::OwnWords::never;
    const DType dtype = network.precision.storage;
    const std::int64_t word = word_width(decoder), width = decoder.output(), memory_width = spec.encoder.output();
    Chain outer(network, "decoder_", "target");
    Node node{"decoder", LoopSpec{}, {}, {}};
    LoopSpec loop;
    NetworkSpec body;
    if (own) {
        loop.steps = {{"target"}, {"forced"}};
        node.inputs = {"target", "forced"};
    } else {
        add_embedding(outer, decoder, word);
        loop.steps = {{"word", dtype, word}};
        node.inputs = {outer.value()};
    }
    if (attends) {
        const std::string keys = add_keys(outer, spec, source.memory, width);
        loop.whole = {{"memory", dtype, memory_width}, {"keys", dtype, width}};
        node.inputs.insert(node.inputs.end(), {source.memory, keys});
    }

    Chain chain(body, "", own ? "target" : "word");
    if (own) {
        chain = chain.branch("forced");
        chain.add("select", SelectSpec{decoder.classes}, {"target", "own_before"});
        add_embedding(chain, decoder, word);
    }
    std::int64_t input = word;
    std::string context;
    if (attends && spec.decoder == Decoder::bahdanau) {
        context = add_context(chain, spec, "before", "keys", "memory", width, weights);
        chain.add("beside", ConcatSpec{}, {context});
        input += memory_width;
    } else if (attends && spec.decoder == Decoder::input_feeding) {
        chain.add("beside", ConcatSpec{}, {"before"});
        input += width;
    }
    add_stack(chain, decoder, input);
    if (attends && spec.decoder == Decoder::bahdanau) loop.feedback.push_back({chain.value(), "before", width});
    if (attends) {
        if (context.empty()) context = add_context(chain, spec, chain.value(), "keys", "memory", width, weights);
        add_combination(chain, context, width, memory_width);
    }
    if (attends && spec.decoder == Decoder::input_feeding) loop.feedback.push_back({chain.value(), "before", width});
    if (own) {
        add_output(chain, spec, decoder);
        const std::int64_t top = spec.own_words == Seq2SeqSpec::OwnWords::likeliest ? 1 : 0;
        body.nodes.push_back({"own", SampleSpec{1, top}, {"logits"}, {"own_word"}});
        loop.feedback.push_back({"own_word", "own_before", 0});
        loop.outputs = {"logits"};
        node.outputs = {"logits"};
    } else {
        loop.outputs = {chain.value()};
        node.outputs = {"decoder_y"};
    }
    if (!weights.empty()) {
        loop.outputs.push_back(weights);
        node.outputs.push_back(weights);
    }
    loop.body = std::move(body.nodes);
    node.module = std::move(loop);
    const std::vector<std::string> initial = loop_initial(spec, decoder, source);
    node.inputs.insert(node.inputs.end(), initial.begin(), initial.end());
    network.nodes.push_back(std::move(node));
    if (own) return;
    outer.go_on_from("decoder_y");
    add_output(outer, spec, decoder);
}

/// From the input "target" to the value "logits".
void add_target(NetworkSpec& network, const Seq2SeqSpec& spec, const Source& source, const std::string& weights) {
    const EncoderSpec decoder = decoder_of(spec);
    check(decoder);
    if (spec.stepwise()) {
        add_steps(network, spec, decoder, source, weights);
        return;
    }
    Chain chain(network, "decoder_", "target");
    if (decoder.kind == EncoderSpec::Kind::rnn) {
        const std::int64_t word = word_width(decoder), width = decoder.output();
        add_embedding(chain, decoder, word);
        add_stack(chain, decoder, word, source.initial);
        if (spec.attention != Seq2SeqSpec::Attention::none) {
            const std::string keys = add_keys(chain, spec, source.memory, width);
            const std::string context = add_context(chain, spec, chain.value(), keys, source.memory, width, weights);
            add_combination(chain, context, width, spec.encoder.output());
        }
    } else {
        add_embedding(chain, decoder, decoder.hidden);
        add_positions(chain, decoder);
        for (std::int64_t l = 0; l < decoder.layers; ++l)
            add_block(chain, detail::concat("block", l), decoder, true, source.memory,
                      l + 1 == decoder.layers ? weights : "");
        chain.add("norm", LayerNormSpec{decoder.hidden});
    }
    add_output(chain, spec, decoder);
}

void check_spec(const Seq2SeqSpec& spec) {
    check(spec.encoder);
    require(spec.encoder.classes > 0, "classes", spec.encoder.classes, "must be a number of ids");
    require(!spec.encoder.causal, "causal", "true", "an encoder may see all of its source");
    require(spec.target_classes >= 1, "target_classes", spec.target_classes, "must be at least 1");
    require(spec.decoder_hidden >= 0, "decoder_hidden", spec.decoder_hidden, "must be a width, or 0");
    require(spec.decoder_layers >= 0, "decoder_layers", spec.decoder_layers, "must be a number, or 0");
    require(spec.encoder.stack.empty() || (spec.decoder_hidden == 0 && spec.decoder_layers == 0), "decoder_hidden",
            spec.decoder_hidden,
            "and decoder_layers must be 0 where the encoder has a stack, which is the decoder's too");
    require(spec.encoder.kind == EncoderSpec::Kind::rnn || spec.decoder_hidden == 0 ||
                spec.decoder_hidden == spec.encoder.hidden,
            "decoder_hidden", spec.decoder_hidden, "must be 0 in a transformer");
    require(spec.encoder.kind == EncoderSpec::Kind::rnn || spec.own_words == Seq2SeqSpec::OwnWords::never, "own_words",
            "of a transformer", "are a recurrent decoder's: a transformer reads all its steps at once");
    require(spec.decoder == Seq2SeqSpec::Decoder::luong ||
                (spec.encoder.kind == EncoderSpec::Kind::rnn && spec.attention != Seq2SeqSpec::Attention::none),
            "decoder", spec.decoder == Seq2SeqSpec::Decoder::bahdanau ? "bahdanau" : "input_feeding",
            "needs a recurrent decoder with attention");
}

}  // namespace

Halves halves_of(const Seq2SeqSpec& spec, bool weights, std::int64_t steps) {
    Halves halves;
    halves.source.precision = halves.target.precision = spec.encoder.precision;
    halves.source.inputs = {{"source"}};
    const Source source = add_source(halves.source, spec);
    halves.initial = spec.stepwise() ? loop_initial(spec, decoder_of(spec), source) : source.initial;
    NetworkSpec decoder;
    decoder.precision = halves.target.precision;
    add_target(decoder, spec, {source.memory, {}}, weights ? "weights" : "");

    // Linear layers that read the memory alone make the same of it at every step: they go to the encoder's half.
    std::vector<InputSpec> made{{source.memory, spec.encoder.precision.storage, spec.encoder.output()}};
    for (Node& node : decoder.nodes) {
        const auto* linear = std::get_if<LinearSpec>(&node.module);
        if (!linear || node.inputs[0] != source.memory) {
            halves.target.nodes.push_back(std::move(node));
            continue;
        }
        made.push_back({node.outputs[0], spec.encoder.precision.storage, linear->output});
        halves.source.nodes.push_back(std::move(node));
    }
    halves.target.inputs = {{"target"}};
    for (const InputSpec& value : made)
        for (const Node& node : halves.target.nodes)
            if (std::find(node.inputs.begin(), node.inputs.end(), value.name) != node.inputs.end()) {
                halves.target.inputs.push_back(value);
                break;
            }
    if (spec.own_words != Seq2SeqSpec::OwnWords::never) halves.target.inputs.push_back({"forced"});
    halves.target = with_memory(std::move(halves.target), steps);
    return halves;
}

}  // namespace model

NetworkSpec network_spec(const Seq2SeqSpec& spec) {
    model::check_spec(spec);
    NetworkSpec network;
    network.precision = spec.encoder.precision;
    network.inputs = {{"source"}, {"target"}, {"targets"}};
    if (spec.own_words != Seq2SeqSpec::OwnWords::never) network.inputs.push_back({"forced"});
    model::add_target(network, spec, model::add_source(network, spec), "");
    network.nodes.push_back({"loss", CrossEntropySpec{}, {"logits", "targets"}});
    validate(network);
    return network;
}

}  // namespace rondo
