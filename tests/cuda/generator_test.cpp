/// Text from a language model on the GPU: what is drawn there is what the host would draw from the same logits.
#include "rondo/generator.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "cuda/on_gpu.hpp"
#include "rondo/language_model.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo::test {
namespace {

constexpr Stream kStream{};

/// That reads from left to right, in double.
NetworkSpec transformer(std::int64_t layers, std::int64_t steps) {
    SequenceModelSpec spec;
    spec.encoder = {.kind = EncoderSpec::Kind::transformer, .classes = 12, .hidden = 8, .layers = layers};
    spec.encoder.precision = Precision::f64();
    spec.encoder.causal = true;
    spec.encoder.steps = steps;
    spec.head = SequenceModelSpec::Head::next_token;
    spec.outputs = 12;
    return network_spec(spec);
}

class CudaGeneratorGpu : public GpuTest {
protected:
    Network network() const {
        Network n(device(), network_spec({.classes = 12, .hidden = 8}));
        n.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
        return n;
    }
};

TEST_F(CudaGeneratorGpu, DrawsWhatASamplerDraws) {
    Network model = network();
    for (const SamplingSpec& spec :
         {SamplingSpec{.seed = 5}, SamplingSpec{.temperature = 2, .top_k = 6, .top_p = 0.8}}) {
        Sampler sampler(spec);
        Generator generator(model, spec, kStream), other(model, {}, kStream);
        EXPECT_TRUE(generator.logits().empty());
        EXPECT_THROW(generator.next(), Error);
        generator.feed(std::array{3, 1, 4});
        other.feed(std::array{7});  // the network's own logits are now another text's
        for (int i = 0; i < 12; ++i) {
            const std::vector<double> logits = generator.logits();
            ASSERT_EQ(logits.size(), 12u);
            EXPECT_EQ(generator.next(), sampler.sample(logits));
        }
        generator.reset();
        EXPECT_THROW(generator.next(), Error);
    }
}

/// A whole transformer, piece by piece with what it remembers on the GPU, all at once on the CPU.
TEST_F(CudaGeneratorGpu, RemembersWhatATransformerHasRead) {
    const NetworkSpec spec = transformer(2, 80);
    Network whole(Device::cpu(1), spec), on_gpu(device(), with_memory(spec, 80));
    whole.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
    on_gpu.write_parameters(whole.read_parameters(kStream), kStream);
    Generator generator(on_gpu, {.seed = 5}, kStream, "output", 80);
    std::vector<std::int32_t> text(66, 3);
    text[5] = 7;
    generator.feed(text);
    for (int i = 0; i < 3; ++i) text.push_back(generator.next());
    const auto steps = static_cast<std::int64_t>(text.size());
    const Sequence inputs[2]{{ConstView(text.data(), {steps, 1})}, {}};
    whole.forward(inputs, Mode::inference, nullptr, kStream);
    const HostTensor expected = whole.read_value("output", kStream);
    const std::vector<double> logits = generator.logits();
    for (std::int64_t c = 0; c < 12; ++c)
        EXPECT_NEAR(logits[static_cast<std::size_t>(c)], expected.at((steps - 1) * 12 + c), 1e-12);

    on_gpu.forward(std::span(inputs, 2), Mode::inference, nullptr, kStream);
    NetworkState state = on_gpu.make_state(1);
    on_gpu.keep_state(steps, state, kStream);
    const std::vector<std::int32_t> more(12, 1);  // 81 in all
    const Sequence rest[2]{{ConstView(more.data(), {12, 1})}, {}};
    on_gpu.forward(rest, Mode::inference, &state, kStream);
    EXPECT_THROW(device().backend().synchronize(kStream), Error);
}

/// The same of a transformer whose context is full three times, its later half read anew between recordings.
TEST_F(CudaGeneratorGpu, WritesTheHostsTextsOverTheEndOfAContext) {
    const NetworkSpec spec = with_memory(transformer(1, 40), 40);
    Network host(Device::cpu(1), spec), gpu(device(), spec);
    host.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
    gpu.write_parameters(host.read_parameters(kStream), kStream);
    const DeviceStream stream(device());
    Generator expected(host, {.seed = 3}, kStream, "output", 40, 2), found(gpu, {.seed = 3}, stream, "output", 40, 2);
    expected.feed(std::array{1, 2});
    found.feed(std::array{1, 2});
    EXPECT_EQ(found.next(90), expected.next(90));
}

/// In double, where rounding decides nothing, the host's texts: of layers of several cells, beside each other, recorded or
/// not, in pieces of any size, and by the parameters as they then are.
TEST_F(CudaGeneratorGpu, WritesTheHostsTexts) {
    LanguageModelSpec spec{.classes = 12, .embedding = 6, .precision = Precision::f64()};
    spec.stack = {{.cell = "lstm", .hidden = 8}, {.cell = "gru", .hidden = 5}, {.cell = "rnn_tanh", .hidden = 7}};
    Network host(Device::cpu(1), network_spec(spec)), gpu(device(), network_spec(spec));
    const SamplingSpec sampling{.temperature = 1.2, .seed = 7};
    const DeviceStream own(device());
    for (const auto& [stream, texts] : {std::pair{kStream, std::int64_t{1}}, std::pair{Stream(own), std::int64_t{3}}}) {
        Generator expected(host, sampling, kStream, "logits", 0, texts),
            found(gpu, sampling, stream, "logits", 0, texts);
        for (const std::uint64_t seed : {1, 2}) {
            host.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5, .seed = seed}, kStream);
            gpu.write_parameters(host.read_parameters(kStream), stream);
            if (seed == 1)
                for (Generator* generator : {&expected, &found})
                    generator->feed(std::vector<std::int32_t>(static_cast<std::size_t>(2 * texts), 3));
            for (const std::int64_t count : {19, 17}) {
                std::vector<std::int32_t> one_by_one;
                for (std::int64_t i = 0; i < count; ++i)
                    for (const std::int32_t id : expected.next(1)) one_by_one.push_back(id);
                EXPECT_EQ(found.next(count), one_by_one) << texts << " texts, seed " << seed;
            }
        }
    }
}

/// What a recording reads of parameters in 16 bits is made anew when they change.
TEST_F(CudaGeneratorGpu, WritesByTheParametersAsTheyAre) {
    LanguageModelSpec spec{.classes = 12, .hidden = 8, .precision = Precision::bf16()};
    Network recorded(device(), network_spec(spec)), other(device(), network_spec(spec));
    const DeviceStream stream(device());
    Generator generator(recorded, {}, stream), expected(other, {}, kStream);  // a stream that cannot be recorded
    for (const std::uint64_t seed : {1, 2}) {
        for (Network* network : {&recorded, &other})
            network->initialise({.kind = InitSpec::Kind::uniform, .range = 0.5, .seed = seed}, kStream);
        backend().synchronize(kStream);
        if (seed == 1) {
            generator.feed(std::array{3});
            expected.feed(std::array{3});
        }
        for (int i = 0; i < 4; ++i) {  // from the second on a recording
            EXPECT_EQ(generator.next(), expected.next()) << "seed " << seed << " token " << i;
            EXPECT_EQ(generator.logits(), expected.logits());
        }
    }
}

TEST_F(CudaGeneratorGpu, RefusesLogitsThatAreNoNumbers) {
    Network model = network();
    std::vector<HostTensor> parameters = model.read_parameters(kStream);
    for (HostTensor& tensor : parameters)
        for (float& x : tensor.as<float>()) x = std::numeric_limits<float>::quiet_NaN();
    model.write_parameters(parameters, kStream);
    Generator generator(model, {}, kStream);
    generator.feed(std::array{3});
    EXPECT_THROW(generator.next(), Error);
    EXPECT_THROW(generator.next(20), Error);  // nor is anything read beyond its end for it
}

}  // namespace
}  // namespace rondo::test
