/// How parameters begin.
#include "model/gradient_check.hpp"
#include "rondo/language_model.hpp"

namespace rondo {
namespace {

using test::kStream;

Network make(std::int64_t layers = 1, CellOptions options = {}) {
    return Network(Device::cpu(1), network_spec({.classes = 300,
                                                 .embedding = 80,
                                                 .options = options,
                                                 .hidden = 64,
                                                 .layers = layers,
                                                 .precision = Precision::f64()}));
}

struct Moments {
    double low = 0, high = 0, mean = 0, deviation = 0;
    explicit Moments(const HostTensor& t) {
        const auto n = static_cast<double>(t.shape.size());
        for (double v : t.as<double>()) {
            low = std::min(low, v);
            high = std::max(high, v);
            mean += v / n;
        }
        for (double v : t.as<double>()) deviation += (v - mean) * (v - mean) / n;
        deviation = std::sqrt(deviation);
    }
};

TEST(Initialise, StandardIsPyTorchs) {
    Network network = make();
    network.initialise({}, kStream);
    for (const HostTensor& t : network.read_parameters(kStream)) {
        const Moments m(t);
        const auto n = static_cast<double>(t.shape.size());
        if (t.name == "embedding.weight") {
            EXPECT_NEAR(m.mean, 0, 5 / std::sqrt(n));
            EXPECT_NEAR(m.deviation, 1, 5 / std::sqrt(2 * n));
            EXPECT_GT(m.high, 3);
            continue;
        }
        const double bound = 1.0 / 8;  // 1/sqrt(64), of the stack and of the layer above it
        EXPECT_LT(m.high, bound) << t.name;
        EXPECT_GE(m.low, -bound) << t.name;
        EXPECT_GT(m.high, 0.9 * bound) << t.name;
        EXPECT_LT(m.low, -0.9 * bound) << t.name;
        EXPECT_NEAR(m.deviation, bound / std::sqrt(3.0), 0.15 * bound) << t.name;
    }
}

TEST(Initialise, UniformIsForAll) {
    Network network = make();
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 0.05}, kStream);
    for (const HostTensor& t : network.read_parameters(kStream)) {
        const Moments m(t);
        EXPECT_LT(m.high, 0.05) << t.name;
        EXPECT_GE(m.low, -0.05) << t.name;
        EXPECT_GT(m.high - m.low, 0.09) << t.name;
    }
}

TEST(Initialise, FollowsTheSeedAndTheNameAlone) {
    Network one = make(), deeper = make(2);
    one.initialise({.seed = 4}, kStream);
    deeper.initialise({.seed = 4}, kStream);
    const auto a = one.read_parameters(kStream), b = deeper.read_parameters(kStream);
    for (const HostTensor& t : a) EXPECT_EQ(t.data, find(b, t.name).data) << t.name;
    one.initialise({.seed = 5}, kStream);
    for (const HostTensor& t : one.read_parameters(kStream)) EXPECT_NE(t.data, find(a, t.name).data) << t.name;
    EXPECT_NE(find(a, "rnn.bias_ih_l0").data, find(a, "rnn.bias_hh_l0").data);
}

TEST(Initialise, ForgetBiasIsTheSumOfBoth) {
    Network network = make();
    network.initialise({.forget_bias = 1.5}, kStream);
    const auto tensors = network.read_parameters(kStream);
    const auto ih = find(tensors, "rnn.bias_ih_l0").as<double>(), hh = find(tensors, "rnn.bias_hh_l0").as<double>();
    for (std::size_t i = 0; i < 256; ++i) {
        const bool forget = i >= 64 && i < 128;
        EXPECT_EQ(ih[i] == 1.5, forget) << i;
        EXPECT_EQ(hh[i] == 0, forget) << i;
    }
}

TEST(Initialise, RefusesWhatMakesNoSense) {
    Network network = make();
    EXPECT_THROW(network.initialise({.range = -1}, kStream), Error);
    EXPECT_THROW(network.initialise({.range = std::nan("")}, kStream), Error);
    EXPECT_THROW(network.initialise({.forget_bias = std::nan("")}, kStream), Error);
    Network coupled = make(1, {.coupled = true});
    EXPECT_THROW(coupled.initialise({.forget_bias = 1}, kStream), Error);
    EXPECT_NO_THROW(coupled.initialise({}, kStream));
}

}  // namespace
}  // namespace rondo
