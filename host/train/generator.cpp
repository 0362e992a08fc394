/// A language model, one token at a time.
#include "rondo/generator.hpp"

#include <array>

namespace rondo {

struct Generator::Impl {
    Network& network;
    Sampler sampler;
    Stream stream;
    std::string value;
    NetworkState state;
    std::vector<double> logits{};  ///< of the next token; empty: nothing was read yet
    std::vector<Sequence> inputs{};

    void read(std::int32_t token) {
        inputs[0].data = ConstView(&token, {1, 1});
        network.forward(inputs, Mode::inference, &state, stream);
        network.keep_state(1, state, stream);
        const HostTensor out = network.read_value(value, stream);
        logits.resize(static_cast<std::size_t>(out.shape.size()));
        for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = out.at(static_cast<std::int64_t>(i));
    }
};

Generator::Generator(Network& network, SamplingSpec spec, Stream stream, std::string_view logits) {
    const std::vector<InputSpec>& inputs = network.spec().inputs;
    require(!inputs.empty() && inputs[0].dtype == DType::i32, "inputs", inputs.size(),
            "must begin with token ids to generate");
    impl_ = std::make_unique<Impl>(Impl{network, Sampler(spec), stream, std::string(logits), network.make_state(1)});
    impl_->inputs.resize(inputs.size());
}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

void Generator::reset() {
    impl_->state.zero(impl_->stream);
    impl_->logits.clear();
}

void Generator::feed(std::span<const std::int32_t> tokens) {
    for (std::int32_t token : tokens) impl_->read(token);
}

std::int32_t Generator::next() {
    if (impl_->logits.empty()) throw Error(ErrorCode::state, "generator: feed at least one token before the first");
    const std::int32_t token = impl_->sampler.sample(impl_->logits);
    impl_->read(token);
    return token;
}

std::vector<double> Generator::logits() const { return impl_->logits; }

}  // namespace rondo
