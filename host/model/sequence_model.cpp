#include "rondo/sequence_model.hpp"

#include "model/builders.hpp"

namespace rondo {

using model::Chain;

std::int64_t EncoderSpec::output() const {
    if (kind == Kind::transformer) return hidden;
    return model::layers_of(*this).back().output();
}

std::string add_encoder(NetworkSpec& network, const EncoderSpec& spec, const std::string& prefix,
                        const std::string& input, std::vector<std::string>* states) {
    model::check(spec);
    Chain chain(network, prefix, input);
    if (spec.kind == EncoderSpec::Kind::rnn) {
        const std::int64_t width = model::word_width(spec);
        model::add_embedding(chain, spec, width);
        model::add_stack(chain, spec, spec.classes > 0 ? width : spec.features, {}, states);
        return chain.value();
    }
    require(!states, "states", "wanted", "are the recurrent model's");
    require(spec.embedding == 0 || spec.embedding == spec.hidden, "embedding", spec.embedding,
            "must be 0 or hidden in a transformer");
    model::add_embedding(chain, spec, spec.hidden);
    model::add_positions(chain, spec);
    for (std::int64_t l = 0; l < spec.layers; ++l)
        model::add_block(chain, detail::concat("block", l), spec, spec.causal);
    chain.add("norm", LayerNormSpec{spec.hidden});
    return chain.value();
}

NetworkSpec network_spec(const SequenceModelSpec& spec) {
    using Head = SequenceModelSpec::Head;
    const EncoderSpec& encoder = spec.encoder;
    require(spec.outputs >= (spec.head == Head::numbers ? 1 : 2), "outputs", spec.outputs, "are too few");
    require(spec.head != Head::next_token ||
                (encoder.kind == EncoderSpec::Kind::rnn ? !encoder.bidirectional : encoder.causal),
            "encoder", "sees the future", "must not where the next token is asked for");
    NetworkSpec network;
    network.precision = encoder.precision;
    const bool ids = encoder.classes > 0, numbers = spec.head == Head::numbers;
    network.inputs = {{"x", ids ? DType::i32 : encoder.precision.storage, ids ? 0 : encoder.features},
                      {"targets", numbers ? encoder.precision.storage : DType::i32, numbers ? spec.outputs : 0}};
    Chain chain(network, "", add_encoder(network, encoder, "", "x"));
    if (spec.head == Head::label || numbers) chain.add("pool", PoolSpec{spec.pool});
    chain.drop("dropout", spec.dropout, spec.dropout_per_sequence);
    require(spec.samples == 0 || spec.head == Head::next_token, "samples", spec.samples,
            "must be 0 where it is not the next token that is asked for");
    if (spec.samples == 0)
        network.nodes.push_back({"linear", LinearSpec{encoder.output(), spec.outputs}, {chain.value()}, {"output"}});
    const std::vector<std::string> both{"output", "targets"};
    if (spec.samples != 0)
        network.nodes.push_back({"linear",
                                 SampledSoftmaxSpec{encoder.output(), spec.outputs, spec.samples, true, spec.proposal},
                                 {chain.value(), "targets"}});
    else if (numbers)
        network.nodes.push_back({"loss", SquaredErrorSpec{}, both});
    else if (spec.head == Head::ctc)
        network.nodes.push_back({"loss", CtcSpec{}, both});
    else
        network.nodes.push_back({"loss", CrossEntropySpec{}, both});
    if (spec.tied) {
        require(spec.head == Head::next_token && encoder.classes == spec.outputs, "tied", "true",
                "needs the same ids on both sides");
        network.ties = {{"linear.weight", "embedding.weight"}};
    }
    validate(network);
    return network;
}

}  // namespace rondo
