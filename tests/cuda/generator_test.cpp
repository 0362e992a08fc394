/// Text from a language model on the GPU: what is drawn there is what the host would draw from the same logits.
#include "rondo/generator.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "cuda/on_gpu.hpp"
#include "rondo/language_model.hpp"

namespace rondo::test {
namespace {

constexpr Stream kStream{};

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

TEST_F(CudaGeneratorGpu, RefusesLogitsThatAreNoNumbers) {
    Network model = network();
    std::vector<HostTensor> parameters = model.read_parameters(kStream);
    for (HostTensor& tensor : parameters)
        for (float& x : tensor.as<float>()) x = std::numeric_limits<float>::quiet_NaN();
    model.write_parameters(parameters, kStream);
    Generator generator(model, {}, kStream);
    generator.feed(std::array{3});
    EXPECT_THROW(generator.next(), Error);
}

}  // namespace
}  // namespace rondo::test
