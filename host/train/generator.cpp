/// A language model, one token at a time.
#include "rondo/generator.hpp"

#include <algorithm>

#include "model/device_buffer.hpp"
#include "rondo/convert.hpp"

namespace rondo {
namespace {

/// Tokens that are read at once: two extents, this and one, serve for a prompt of any length.
constexpr std::size_t kPiece = 64;

/// Throws Error unless every causal attention remembers the context.
void check_memory(const NetworkSpec& spec, std::int64_t context) {
    bool remembers = false;
    for (const Node& node : spec.nodes) {
        const auto* attention = std::get_if<AttentionSpec>(&node.module);
        if (!attention || !attention->causal) continue;
        remembers = true;
        require(context >= 1 && context <= attention->memory, "context", context,
                detail::concat("must be at least 1 and at most the memory of node ", node.name, ", ", attention->memory,
                               " (with_memory)"));
    }
    require(remembers || context == 0, "context", context, "must be 0 for a network without causal attention");
}

}  // namespace

struct Generator::Impl {
    Network& network;
    SamplingSpec spec;
    Stream stream;
    std::string value;
    NetworkState state;
    RandomState random;
    // On the device. Logits are a copy: the network's own live until its next forward, whoever asks for it.
    model::DeviceBuffer drawn_from, drawn, logits{};
    DType dtype = DType::f32;
    std::int64_t classes = 0;  ///< of the next token's logits; 0: nothing was read yet
    std::vector<Sequence> inputs{};
    std::int64_t context = 0;
    std::vector<std::int32_t> tokens{};  ///< what is remembered, where there is a context

    Backend& backend() const { return network.device().backend(); }
    void read(std::span<const std::int32_t> ids);
    void keep(std::size_t count);
    void read_on(std::span<const std::int32_t> ids);
    void read_piece(std::span<const std::int32_t> ids);
    std::int32_t draw();
};

void Generator::Impl::read(std::span<const std::int32_t> ids) {
    if (context == 0) return read_on(ids);
    const auto most = static_cast<std::size_t>(context);
    if (ids.size() >= most) {
        ids = ids.last(most);
        keep(0);
    }
    while (!ids.empty()) {
        if (tokens.size() == most) keep(most / 2);
        const auto next = ids.first(std::min(ids.size(), most - tokens.size()));
        read_on(next);
        tokens.insert(tokens.end(), next.begin(), next.end());
        ids = ids.subspan(next.size());
    }
}

/// The last `count` tokens, as if they had come first.
void Generator::Impl::keep(std::size_t count) {
    tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(count));
    state.zero(stream);
    read_on(tokens);
}

void Generator::Impl::read_on(std::span<const std::int32_t> ids) {
    while (!ids.empty()) {
        const std::size_t count = ids.size() >= kPiece ? kPiece : 1;
        read_piece(ids.first(count));
        ids = ids.subspan(count);
    }
}

void Generator::Impl::read_piece(std::span<const std::int32_t> ids) {
    const auto count = static_cast<std::int64_t>(ids.size());
    inputs[0].data = ConstView(ids.data(), {count, 1});
    network.forward(inputs, Mode::inference, &state, stream);
    network.keep_state(count, state, stream);
    const ConstView out = network.value(value);
    dtype = out.dtype;
    classes = out.shape[2];
    const std::int64_t bytes = classes * size_of(out.dtype);
    if (bytes > logits.bytes()) logits = model::DeviceBuffer(network.device(), bytes);
    const auto* last = static_cast<const std::byte*>(out.data) + (out.shape[0] - 1) * bytes;
    backend().copy(logits.data(), last, static_cast<std::size_t>(bytes), stream);
}

/// Only the token comes to the host.
std::int32_t Generator::Impl::draw() {
    backend().upload(drawn_from.data(), &random, sizeof random, stream);
    Sample sample;
    sample.dtype = dtype;
    sample.rows = 1;
    sample.classes = classes;
    sample.logits = logits.data();
    sample.ids = drawn.as<std::int32_t>();
    sample.temperature = spec.temperature;
    sample.top_k = spec.top_k;
    sample.top_p = spec.top_p;
    sample.random = drawn_from.as<RandomState>();
    backend().sample(sample, stream);
    std::int32_t token = -1;
    backend().download(&token, drawn.data(), sizeof token, stream);
    backend().synchronize(stream);
    if (token < 0) refuse(value, "nan", "must be numbers to draw from");
    ++random.step;
    return token;
}

Generator::Generator(Network& network, SamplingSpec spec, Stream stream, std::string_view logits,
                     std::int64_t context) {
    validate(spec);
    check_memory(network.spec(), context);
    const std::vector<InputSpec>& inputs = network.spec().inputs;
    require(!inputs.empty() && inputs[0].dtype == DType::i32, "inputs", inputs.size(),
            "must begin with token ids to generate");
    impl_ = std::make_unique<Impl>(Impl{network, spec, stream, std::string(logits), network.make_state(1),
                                        RandomState{spec.seed, 0},
                                        model::DeviceBuffer(network.device(), sizeof(RandomState)),
                                        model::DeviceBuffer(network.device(), sizeof(std::int32_t))});
    impl_->inputs.resize(inputs.size());
    impl_->context = context;
}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

void Generator::reset() {
    impl_->state.zero(impl_->stream);
    impl_->classes = 0;
    impl_->tokens.clear();
}

void Generator::feed(std::span<const std::int32_t> tokens) { impl_->read(tokens); }

std::int32_t Generator::next() {
    if (impl_->classes == 0) throw Error(ErrorCode::state, "generator: feed at least one token before the first");
    const std::int32_t token = impl_->draw();
    impl_->read(std::span(&token, 1));
    return token;
}

std::vector<double> Generator::logits() const {
    const Impl& m = *impl_;
    std::vector<std::byte> raw(static_cast<std::size_t>(m.classes * size_of(m.dtype)));
    m.backend().download(raw.data(), m.logits.data(), raw.size(), m.stream);
    m.backend().synchronize(m.stream);
    std::vector<double> values(static_cast<std::size_t>(m.classes));
    convert_elements(DType::f64, values.data(), m.dtype, raw.data(), m.classes);
    return values;
}

}  // namespace rondo
