/// A language model, one token at a time.
#include "rondo/generator.hpp"

#include <algorithm>

#include "model/device_buffer.hpp"
#include "rondo/convert.hpp"

namespace rondo {

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
    std::vector<std::int32_t> tokens{};  ///< the last ones, where there is a context

    Backend& backend() const { return network.device().backend(); }
    void read(std::int32_t token);
    std::int32_t draw();
};

void Generator::Impl::read(std::int32_t token) {
    if (static_cast<std::int64_t>(tokens.size()) >= std::max<std::int64_t>(1, context)) tokens.erase(tokens.begin());
    tokens.push_back(token);
    inputs[0].data = ConstView(tokens.data(), {static_cast<std::int64_t>(tokens.size()), 1});
    network.forward(inputs, Mode::inference, &state, stream);
    if (context == 0) network.keep_state(1, state, stream);
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
    require(context >= 0, "context", context, "must be a number of tokens, or 0");
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

void Generator::feed(std::span<const std::int32_t> tokens) {
    for (std::int32_t token : tokens) impl_->read(token);
}

std::int32_t Generator::next() {
    if (impl_->classes == 0) throw Error(ErrorCode::state, "generator: feed at least one token before the first");
    const std::int32_t token = impl_->draw();
    impl_->read(token);
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
