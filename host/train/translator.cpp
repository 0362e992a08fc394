/// An encoder-decoder at work: the source is read once, the target is written token by token. What the encoder made stays
/// on the device, and so does what the decoder carries: only logits come to the host, and tokens go back.
#include <algorithm>
#include <cmath>
#include <optional>

#include "model/device_buffer.hpp"
#include "model/seq2seq.hpp"
#include "rondo/convert.hpp"

namespace rondo {
namespace {

std::vector<double> numbers_of(const HostTensor& tensor) {
    std::vector<double> values(static_cast<std::size_t>(tensor.shape.size()));
    convert_elements(DType::f64, values.data(), tensor.dtype, tensor.data.data(), tensor.shape.size());
    return values;
}

/// Whether an attention looks for keys in this value: how many are valid is told with them.
bool is_keys(const std::vector<Node>& nodes, const std::string& value) {
    return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
        if (std::holds_alternative<AttentionSpec>(node.module)) return node.inputs[1] == value;
        const auto* loop = std::get_if<LoopSpec>(&node.module);
        for (std::size_t i = 0; loop && i < loop->whole.size(); ++i)
            if (node.inputs[loop->steps.size() + i] == value && is_keys(loop->body, loop->whole[i].name)) return true;
        return false;
    });
}

/// A source as its encoder left it: values that live until the encoder's next forward.
struct Encoded {
    const Network& encoder;
    std::vector<std::int64_t> lengths;
    const std::vector<std::string>& initial;  ///< of the decoder's states; only where it is recurrent

    void begin(NetworkState& state, std::span<const std::int64_t> rows, Stream stream) const {
        const std::vector<std::string> names = state.names();
        for (std::size_t i = 0; i < initial.size(); ++i)
            if (!initial[i].empty()) state.take_rows(names[i], encoder.value(initial[i]), rows, stream);
    }
};

}  // namespace

struct Translator::Impl {
    Impl(Device on, const Seq2SeqSpec& described, std::span<const HostTensor> parameters)
        : device(std::move(on)),
          spec(described),
          tensors(parameters.begin(), parameters.end()),
          halves(model::halves_of(spec, false, 1)),
          encoder(network(halves.source)) {}

    Device device;
    Seq2SeqSpec spec;
    std::vector<HostTensor> tensors;
    model::Halves halves;
    Stream stream{};
    Network encoder;
    std::optional<Network> decoder;
    std::int64_t decoder_steps = 0;    ///< that it remembers
    std::optional<Network> explained;  ///< the decoder with its attention's weights

    bool recurrent() const { return spec.encoder.kind == EncoderSpec::Kind::rnn; }
    Network network(const NetworkSpec& half) {
        Network made(device, half);
        made.write_parameters(tensors, {});
        return made;
    }
    Network& decoder_for(std::int64_t steps);
    Encoded read(std::span<const std::vector<std::int32_t>> sources);
};

Network& Translator::Impl::decoder_for(std::int64_t steps) {
    if (!recurrent()) steps = std::min(steps, spec.encoder.steps);
    if (!decoder || (!recurrent() && decoder_steps < steps)) {
        decoder.emplace(network(model::halves_of(spec, false, steps).target));
        decoder_steps = steps;
    }
    return *decoder;
}

Encoded Translator::Impl::read(std::span<const std::vector<std::int32_t>> sources) {
    const auto batch = static_cast<std::int64_t>(sources.size());
    std::int64_t steps = 0;
    Encoded encoded{encoder, {}, halves.initial};
    for (std::size_t b = 0; b < sources.size(); ++b) {
        require(!sources[b].empty(), detail::concat("source ", b), "empty", "must hold at least one token");
        encoded.lengths.push_back(static_cast<std::int64_t>(sources[b].size()));
        steps = std::max(steps, encoded.lengths.back());
    }
    std::vector<std::int32_t> ids(static_cast<std::size_t>(steps * batch));
    for (std::size_t b = 0; b < sources.size(); ++b)
        for (std::size_t t = 0; t < sources[b].size(); ++t) ids[t * sources.size() + b] = sources[b][t];
    const Sequence input{ConstView(ids.data(), {steps, batch}), encoded.lengths};
    encoder.forward(std::span(&input, 1), Mode::inference, nullptr, stream);
    return encoded;
}

namespace {

/// The decoder as beam search sees it.
class DecoderSteps final : public StepModel {
public:
    DecoderSteps(Network& decoder, const Encoded& source, std::int64_t classes, Stream stream)
        : decoder_(decoder), source_(source), classes_(classes), stream_(stream) {}

    std::int64_t classes() const override { return classes_; }

    void next(std::span<const std::int64_t> parents, std::span<const std::int32_t> tokens,
              std::span<double> log_p) override {
        if (!state_)
            begin(parents);
        else
            go_on_from(parents);
        inputs_[0].data = ConstView(tokens.data(), {1, static_cast<std::int64_t>(tokens.size())});
        decoder_.forward(inputs_, Mode::inference, &*state_, stream_);
        decoder_.keep_state(1, *state_, stream_);
        const std::vector<double> logits = numbers_of(decoder_.read_value("logits", stream_));
        for (std::size_t i = 0; i < tokens.size(); ++i)
            log_softmax(logits.data() + i * static_cast<std::size_t>(classes_),
                        log_p.data() + i * static_cast<std::size_t>(classes_));
    }

private:
    void begin(std::span<const std::int64_t> sources) {
        const auto rows = static_cast<std::int64_t>(sources.size());
        state_ = decoder_.make_state(rows);
        source_.begin(*state_, sources, stream_);
        for (const std::int64_t source : sources) lengths_.push_back(source_.lengths[static_cast<std::size_t>(source)]);
        Backend& backend = decoder_.device().backend();
        model::DeviceBuffer places(decoder_.device(), static_cast<std::int64_t>(sources.size_bytes()));
        backend.upload(places.data(), sources.data(), sources.size_bytes(), stream_);
        inputs_.resize(1);
        forced_.assign(sources.size(), 1);
        for (std::size_t i = 1; i < decoder_.spec().inputs.size(); ++i) {
            const std::string& name = decoder_.spec().inputs[i].name;
            if (name == "forced") {
                inputs_.push_back({ConstView(forced_.data(), {1, rows})});
                continue;
            }
            const ConstView from = source_.encoder.value(name);
            const Shape shape{from.shape[0], rows, from.shape[2]};
            const model::DeviceBuffer& to = given_.emplace_back(decoder_.device(), shape.size() * size_of(from.dtype));
            backend.copy_rows({.bytes = shape[2] * size_of(from.dtype),
                               .steps = shape[0],
                               .batch = rows,
                               .from_batch = from.shape[1],
                               .rows = places.as<std::int64_t>(),
                               .from = from.data,
                               .to = to.data()},
                              stream_);
            inputs_.push_back({{to.data(), from.dtype, shape}, {}, true});
            if (is_keys(decoder_.spec().nodes, name)) inputs_.back().lengths = lengths_;
        }
    }

    /// Rows of one source alone change places, so that what was made of it stays as it is.
    void go_on_from(std::span<const std::int64_t> parents) {
        bool moved = false;
        for (std::size_t i = 0; i < parents.size(); ++i) moved = moved || parents[i] != static_cast<std::int64_t>(i);
        if (!moved) return;
        if (!other_) other_ = decoder_.make_state(state_->batch());
        other_->take_rows(*state_, parents, stream_);
        std::swap(state_, other_);
    }

    void log_softmax(const double* x, double* out) const {
        const double largest = *std::max_element(x, x + classes_);
        double sum = 0;
        for (std::int64_t c = 0; c < classes_; ++c) sum += std::exp(x[c] - largest);
        for (std::int64_t c = 0; c < classes_; ++c) out[c] = x[c] - largest - std::log(sum);
    }

    Network& decoder_;
    const Encoded& source_;
    std::int64_t classes_;
    Stream stream_;
    std::optional<NetworkState> state_, other_;
    std::vector<std::int64_t> lengths_;  ///< of each row's source
    std::vector<std::int32_t> forced_;   ///< where it could go on from its own words it is given these
    std::vector<model::DeviceBuffer> given_;
    std::vector<Sequence> inputs_;
};

}  // namespace

Translator::Translator(Device device, const Seq2SeqSpec& spec, std::span<const HostTensor> parameters) {
    validate(network_spec(spec));
    impl_ = std::make_unique<Impl>(std::move(device), spec, parameters);
}
Translator::~Translator() = default;
Translator::Translator(Translator&&) noexcept = default;
Translator& Translator::operator=(Translator&&) noexcept = default;

std::vector<std::vector<Hypothesis>> Translator::translate(std::span<const std::vector<std::int32_t>> sources,
                                                           BeamSpec beam) {
    if (sources.empty()) return {};
    Impl& m = *impl_;
    beam.begin = m.spec.begin();
    beam.end = m.spec.end();
    require(beam.max_length >= 1, "max_length", beam.max_length, "must be at least 1");
    const Encoded source = m.read(sources);
    DecoderSteps steps(m.decoder_for(beam.max_length + 1), source, m.spec.target_classes + 2, m.stream);
    return beam_search(steps, static_cast<std::int64_t>(sources.size()), beam);
}

std::vector<double> Translator::attention(const std::vector<std::int32_t>& source,
                                          const std::vector<std::int32_t>& target) {
    Impl& m = *impl_;
    require(!m.recurrent() || m.spec.attention != Seq2SeqSpec::Attention::none, "attention", "none",
            "there is nothing to show");
    if (!m.explained) m.explained.emplace(m.network(model::halves_of(m.spec, true, m.spec.encoder.steps).target));
    const Encoded encoded = m.read(std::span(&source, 1));
    std::vector<std::int32_t> ids{m.spec.begin()};
    ids.insert(ids.end(), target.begin(), target.end());
    std::vector<Sequence> inputs{{ConstView(ids.data(), {static_cast<std::int64_t>(ids.size()), 1})}};
    const std::vector<std::int32_t> forced(ids.size(), 1);
    for (std::size_t i = 1; i < m.explained->spec().inputs.size(); ++i)
        if (const std::string& name = m.explained->spec().inputs[i].name; name == "forced")
            inputs.push_back({ConstView(forced.data(), inputs[0].data.shape)});
        else
            inputs.push_back({m.encoder.value(name), {}, true});
    std::optional<NetworkState> state;
    if (m.recurrent()) {
        const std::int64_t first = 0;
        state = m.explained->make_state(1);
        encoded.begin(*state, std::span(&first, 1), m.stream);
    }
    m.explained->forward(inputs, Mode::inference, state ? &*state : nullptr, m.stream);
    return numbers_of(m.explained->read_value("weights", m.stream));
}

}  // namespace rondo
