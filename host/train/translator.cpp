/// An encoder-decoder at work: the source is read once, the target is written token by token.
#include <algorithm>
#include <cmath>
#include <optional>

#include "model/seq2seq.hpp"
#include "rondo/convert.hpp"

namespace rondo {
namespace {

std::vector<double> numbers_of(const HostTensor& tensor) {
    std::vector<double> values(static_cast<std::size_t>(tensor.shape.size()));
    convert_elements(DType::f64, values.data(), tensor.dtype, tensor.data.data(), tensor.shape.size());
    return values;
}

/// Rows `of` a [B,width] tensor, in that order.
HostTensor rows_of(const HostTensor& from, std::span<const std::int64_t> of) {
    HostTensor to(from.name, from.dtype, {static_cast<std::int64_t>(of.size()), from.shape[1]});
    const auto row = static_cast<std::size_t>(from.shape[1] * size_of(from.dtype));
    for (std::size_t i = 0; i < of.size(); ++i)
        std::copy_n(from.data.begin() + of[i] * static_cast<std::int64_t>(row), row,
                    to.data.begin() + static_cast<std::ptrdiff_t>(i * row));
    return to;
}

/// What a source became, for as many rows as wanted.
struct Memory {
    HostTensor states;  ///< [S,B,width]
    std::vector<std::int64_t> lengths;
    std::vector<HostTensor> initial;  ///< of the decoder, by name; only of a recurrent one

    Memory rows(std::span<const std::int64_t> of) const {
        const std::int64_t steps = states.shape[0], batch = states.shape[1], width = states.shape[2];
        Memory to{HostTensor("memory", states.dtype, {steps, static_cast<std::int64_t>(of.size()), width}), {}, {}};
        const std::int64_t row = width * size_of(states.dtype);
        std::byte* out = to.states.data.data();
        for (std::int64_t s = 0; s < steps; ++s)
            for (const std::int64_t b : of) out = std::copy_n(states.data.data() + (s * batch + b) * row, row, out);
        for (const std::int64_t b : of) to.lengths.push_back(lengths[static_cast<std::size_t>(b)]);
        for (const HostTensor& state : initial) to.initial.push_back(rows_of(state, of));
        return to;
    }
};

}  // namespace

struct Translator::Impl {
    Impl(Device on, const Seq2SeqSpec& described, std::span<const HostTensor> parameters)
        : device(on),
          spec(described),
          encoder(on, model::source_network(described, source)),
          decoder(on, model::target_network(described, false)),
          tensors(parameters.begin(), parameters.end()) {
        encoder.write_parameters(parameters, stream);
        decoder.write_parameters(parameters, stream);
    }

    Device device;
    Seq2SeqSpec spec;
    model::Source source;
    Stream stream{};
    Network encoder, decoder;
    std::optional<Network> explained;  ///< the decoder with its attention's weights
    std::vector<HostTensor> tensors;

    bool recurrent() const { return spec.encoder.kind == EncoderSpec::Kind::rnn; }
    Memory read(std::span<const std::vector<std::int32_t>> sources);
};

Memory Translator::Impl::read(std::span<const std::vector<std::int32_t>> sources) {
    const auto batch = static_cast<std::int64_t>(sources.size());
    std::int64_t steps = 0;
    Memory memory;
    for (std::size_t b = 0; b < sources.size(); ++b) {
        require(!sources[b].empty(), detail::concat("source ", b), "empty", "must hold at least one token");
        memory.lengths.push_back(static_cast<std::int64_t>(sources[b].size()));
        steps = std::max(steps, memory.lengths.back());
    }
    std::vector<std::int32_t> ids(static_cast<std::size_t>(steps * batch));
    for (std::size_t b = 0; b < sources.size(); ++b)
        for (std::size_t t = 0; t < sources[b].size(); ++t) ids[t * sources.size() + b] = sources[b][t];
    const Sequence input{ConstView(ids.data(), {steps, batch}), memory.lengths};
    encoder.forward(std::span(&input, 1), Mode::inference, nullptr, stream);
    memory.states = encoder.read_value(source.memory, stream);
    if (recurrent())
        for (HostTensor& state : decoder.make_state(batch).read(stream)) {
            const std::string& from = source.initial[memory.initial.size()];
            if (!from.empty()) state.data = encoder.read_value(from, stream).data;
            memory.initial.push_back(std::move(state));
        }
    return memory;
}

namespace {

/// One forward of a target network. Where it could go on from its own words it is given these.
void run_decoder(Network& decoder, const std::vector<std::int32_t>& ids, const Shape& shape, const Memory& memory,
                 const NetworkState* from, Stream stream) {
    const std::vector<std::int32_t> forced(ids.size(), 1);
    std::vector<Sequence> inputs{{ConstView(ids.data(), shape)}, {memory.states.view(), memory.lengths}};
    if (decoder.spec().inputs.size() > inputs.size()) inputs.push_back({ConstView(forced.data(), shape)});
    decoder.forward(inputs, Mode::inference, from, stream);
}

/// The decoder as beam search sees it.
class DecoderSteps final : public StepModel {
public:
    DecoderSteps(Network& decoder, const Memory& memory, std::int64_t classes, bool recurrent, Stream stream)
        : decoder_(decoder), source_(memory), classes_(classes), recurrent_(recurrent), stream_(stream) {}

    std::int64_t classes() const override { return classes_; }

    void next(std::span<const std::int64_t> parents, std::span<const std::int32_t> tokens,
              std::span<double> log_p) override {
        if (!memory_)
            begin(parents);
        else
            go_on_from(parents);
        for (std::size_t i = 0; i < tokens.size(); ++i) prefixes_[i].push_back(tokens[i]);
        run();
        // The logits of the last step; there is one alone where states are carried.
        const HostTensor logits = decoder_.read_value("logits", stream_);
        const std::vector<double> values = numbers_of(logits);
        const double* last = values.data() + values.size() - log_p.size();
        for (std::size_t i = 0; i < tokens.size(); ++i)
            log_softmax(last + i * static_cast<std::size_t>(classes_),
                        log_p.data() + i * static_cast<std::size_t>(classes_));
    }

private:
    void begin(std::span<const std::int64_t> sources) {
        memory_ = source_.rows(sources);
        prefixes_.resize(sources.size());
        if (!recurrent_) return;
        state_ = decoder_.make_state(static_cast<std::int64_t>(sources.size()));
        state_->write(memory_->initial, stream_);
    }

    /// Rows of one source alone change places, so that the memory stays as it is.
    void go_on_from(std::span<const std::int64_t> parents) {
        bool moved = false;
        for (std::size_t i = 0; i < parents.size(); ++i) moved = moved || parents[i] != static_cast<std::int64_t>(i);
        if (!moved) return;
        const auto before = prefixes_;
        for (std::size_t i = 0; i < parents.size(); ++i) prefixes_[i] = before[static_cast<std::size_t>(parents[i])];
        if (!recurrent_) return;
        std::vector<HostTensor> states = state_->read(stream_);
        for (HostTensor& state : states) state = rows_of(state, parents);
        state_->write(states, stream_);
    }

    /// A recurrent decoder reads the last token; a transformer reads all again.
    void run() {
        const std::size_t length = prefixes_[0].size(), first = recurrent_ ? length - 1 : 0;
        std::vector<std::int32_t> ids;
        for (std::size_t t = first; t < length; ++t)
            for (const auto& prefix : prefixes_) ids.push_back(prefix[t]);
        const auto rows = static_cast<std::int64_t>(prefixes_.size());
        const Shape shape{static_cast<std::int64_t>(length - first), rows};
        run_decoder(decoder_, ids, shape, *memory_, state_ ? &*state_ : nullptr, stream_);
        if (state_) decoder_.keep_state(1, *state_, stream_);
    }

    void log_softmax(const double* x, double* out) const {
        const double largest = *std::max_element(x, x + classes_);
        double sum = 0;
        for (std::int64_t c = 0; c < classes_; ++c) sum += std::exp(x[c] - largest);
        for (std::int64_t c = 0; c < classes_; ++c) out[c] = x[c] - largest - std::log(sum);
    }

    Network& decoder_;
    const Memory& source_;
    std::int64_t classes_;
    bool recurrent_;
    Stream stream_;
    std::optional<Memory> memory_;
    std::optional<NetworkState> state_;
    std::vector<std::vector<std::int32_t>> prefixes_;
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
    const Memory memory = m.read(sources);
    DecoderSteps steps(m.decoder, memory, m.spec.target_classes + 2, m.recurrent(), m.stream);
    return beam_search(steps, static_cast<std::int64_t>(sources.size()), beam);
}

std::vector<double> Translator::attention(const std::vector<std::int32_t>& source,
                                          const std::vector<std::int32_t>& target) {
    Impl& m = *impl_;
    require(!m.recurrent() || m.spec.attention != Seq2SeqSpec::Attention::none, "attention", "none",
            "there is nothing to show");
    if (!m.explained) {
        m.explained.emplace(m.device, model::target_network(m.spec, true));
        m.explained->write_parameters(m.tensors, m.stream);
    }
    const Memory memory = m.read(std::span(&source, 1));
    std::vector<std::int32_t> ids{m.spec.begin()};
    ids.insert(ids.end(), target.begin(), target.end());
    std::optional<NetworkState> state;
    if (m.recurrent()) {
        state = m.explained->make_state(1);
        state->write(memory.initial, m.stream);
    }
    run_decoder(*m.explained, ids, {static_cast<std::int64_t>(ids.size()), 1}, memory, state ? &*state : nullptr,
                m.stream);
    return numbers_of(m.explained->read_value("weights", m.stream));
}

}  // namespace rondo
