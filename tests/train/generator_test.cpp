/// Drawing tokens, and text from a language model.
#include "rondo/generator.hpp"

#include <array>
#include <limits>

#include "model/gradient_check.hpp"
#include "rondo/language_model.hpp"
#include "rondo/sequence_model.hpp"
#include "support/draws.hpp"

namespace rondo {
namespace {

using namespace test;

const std::vector<double> kLogits{0.5, 2.0, -1.0, 2.5, 0.0, 1.0, -3.0, 1.5};

std::vector<double> softmax(double temperature) {
    std::vector<double> p;
    double sum = 0;
    for (double l : kLogits) sum += std::exp(l / temperature);
    for (double l : kLogits) p.push_back(std::exp(l / temperature) / sum);
    return p;
}

TEST(Sampler, TakesTheMostLikelyWhenCold) {
    Sampler sampler({.temperature = 0});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(sampler.sample(kLogits), 3);
    EXPECT_EQ(sampler.sample(std::vector<double>{1, 5, 5, 2}), 1);  // the first of equals
    const double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(Sampler({}).sample(std::vector<double>{1, 5, infinity, 2}), 2);
}

TEST(Sampler, ProbabilitiesAreTheCutSoftmax) {
    for (double temperature : {0.5, 1.0, 3.0}) {
        const auto p = softmax(temperature), q = Sampler({.temperature = temperature}).probabilities(kLogits);
        for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(q[i], p[i], 1e-15);
    }
    const auto p = softmax(1);
    const auto k = Sampler({.top_k = 3}).probabilities(kLogits);
    const double three = p[3] + p[1] + p[7];
    for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(k[i], i == 3 || i == 1 || i == 7 ? p[i] / three : 0, 1e-15);
    // Just beyond the first two, just within them, and less than the first.
    const double two = p[3] + p[1];
    for (auto [top_p, count] : {std::pair{two + 1e-9, 3}, {two - 1e-9, 2}, {1e-9, 1}, {1.0, 8}}) {
        const auto q = Sampler({.top_p = top_p}).probabilities(kLogits);
        EXPECT_EQ(std::count_if(q.begin(), q.end(), [](double x) { return x > 0; }), count) << top_p;
    }
    // top_p counts what top_k has left.
    const auto both = Sampler({.top_k = 2, .top_p = p[3] / two - 1e-9}).probabilities(kLogits);
    EXPECT_EQ(both[3], 1);
    EXPECT_EQ(Sampler({.top_k = 100}).probabilities(kLogits), Sampler({}).probabilities(kLogits));
}

TEST(Sampler, DrawsWhatItSays) {
    for (const SamplingSpec& spec : {SamplingSpec{}, SamplingSpec{.temperature = 2, .top_k = 5, .seed = 3},
                                     SamplingSpec{.top_p = 0.8, .seed = 7}}) {
        Sampler sampler(spec);
        const auto p = sampler.probabilities(kLogits);
        const int draws = 40000;
        std::vector<int> counts(8, 0);
        for (int i = 0; i < draws; ++i) ++counts[static_cast<std::size_t>(sampler.sample(kLogits))];
        for (std::size_t i = 0; i < 8; ++i)
            EXPECT_NEAR(counts[i], draws * p[i], 5 * std::sqrt(draws * p[i] * (1 - p[i]))) << i;
    }
}

TEST(Sampler, FollowsItsSeed) {
    const auto draw = [](std::uint64_t seed) {
        Sampler sampler({.seed = seed});
        std::vector<std::int32_t> ids;
        for (int i = 0; i < 50; ++i) ids.push_back(sampler.sample(kLogits));
        return ids;
    };
    EXPECT_EQ(draw(1), draw(1));
    EXPECT_NE(draw(1), draw(2));
}

TEST(Sampler, RefusesWhatMakesNoSense) {
    const double nan = std::nan("");
    for (const SamplingSpec& spec :
         {SamplingSpec{.temperature = -1}, SamplingSpec{.temperature = nan}, SamplingSpec{.top_k = -1},
          SamplingSpec{.top_p = 0}, SamplingSpec{.top_p = 1.1}, SamplingSpec{.top_p = nan}}) {
        EXPECT_THROW(validate(spec), Error);
        EXPECT_THROW(Sampler{spec}, Error);
    }
    Sampler sampler({});
    EXPECT_THROW(sampler.sample({}), Error);
    EXPECT_THROW(sampler.sample(std::vector<double>{1, nan}), Error);
}

TEST(Generator, ReadsTokenByTokenWhatAForwardReadsAtOnce) {
    for (Precision precision : {Precision::f32(), Precision::f64()}) {
        Network network(
            Device::cpu(1),
            network_spec({.classes = 12, .hidden = 16, .layers = 2, .dropout = 0.5, .precision = precision}));
        network.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
        const std::vector<std::int32_t> prompt = random_ids(1, 9, 12);
        Generator generator(network, {.seed = 5}, kStream);
        generator.feed(prompt);
        const std::vector<double> stepped = generator.logits();
        network.forward(Feed().ids({9, 1}, prompt).absent().inputs(), Mode::inference, nullptr, kStream);
        const HostTensor whole = network.read_value("logits", kStream);
        for (std::int64_t i = 0; i < 12; ++i)
            EXPECT_NEAR(stepped[static_cast<std::size_t>(i)], whole.at(8 * 12 + i),
                        precision == Precision::f64() ? 1e-14 : 1e-5);
        // The tokens it draws are those of a sampler with its seed, and are read in turn.
        Sampler sampler({.seed = 5});
        Generator other(network, {}, kStream);
        other.feed(prompt);
        for (int i = 0; i < 20; ++i) {
            const std::int32_t expected = sampler.sample(other.logits());
            EXPECT_EQ(generator.next(), expected);
            other.feed(std::array{expected});
            EXPECT_EQ(generator.logits(), other.logits());
        }
        generator.reset();
        generator.feed(prompt);
        EXPECT_EQ(generator.logits(), stepped);
    }
}

/// Many at once are those that come one by one, here in two pieces and some.
TEST(Generator, WritesManyTokensAsOneByOne) {
    Network network(Device::cpu(1), network_spec({.classes = 12, .hidden = 8, .layers = 2}));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
    Generator one(network, {.seed = 5}, kStream), many(network, {.seed = 5}, kStream);
    one.feed(std::array{3, 1});
    many.feed(std::array{3, 1});
    for (const std::int64_t count : {2 * Generator::kRecorded + 5, std::int64_t{0}, std::int64_t{1}}) {
        std::vector<std::int32_t> expected;
        for (std::int64_t i = 0; i < count; ++i) expected.push_back(one.next());
        EXPECT_EQ(many.next(count), expected);
        EXPECT_EQ(many.logits(), one.logits());
    }
}

/// Every row is a text of its own, with numbers of its own.
TEST(Generator, WritesTextsBesideEachOther) {
    constexpr std::int64_t kTexts = 3, kSteps = 20;
    Network network(Device::cpu(1), network_spec({.classes = 12, .hidden = 8, .precision = Precision::f64()}));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
    const SamplingSpec spec{.temperature = 1.5, .top_p = 0.9, .seed = 5};
    const std::vector<std::int32_t> prompt{3, 1, 4, 1, 5, 9};
    Generator together(network, spec, kStream, "logits", 0, kTexts);
    together.feed(prompt);
    EXPECT_EQ(together.logits().size(), static_cast<std::size_t>(kTexts * 12));
    const std::vector<std::int32_t> ids = together.next(kSteps);
    ASSERT_EQ(ids.size(), static_cast<std::size_t>(kTexts * kSteps));
    for (std::size_t row = 0; row < kTexts; ++row) {
        Generator alone(network, spec, kStream);
        alone.feed(std::array{prompt[row], prompt[kTexts + row]});
        for (std::size_t n = 0; n < kSteps; ++n) {
            const std::int32_t id = ids[n * kTexts + row];
            EXPECT_TRUE(allowed_draws(alone.logits(), spec, n, row).contains(id)) << "text " << row << " token " << n;
            alone.feed(std::array{id});
        }
    }
    EXPECT_THROW(together.next(), Error);  // which of them?
    EXPECT_THROW(together.feed(std::array{1, 2}), Error);
    EXPECT_THROW(together.next(-1), Error);
    EXPECT_THROW(Generator(network, spec, kStream, "logits", 0, 0), Error);
}

/// What the network has no row for is refused before it is drawn; where a logit is no number, the text ends in an error.
TEST(Generator, WritesNothingThatItCannotRead) {
    NetworkSpec spec = network_spec({.classes = 12, .hidden = 4});
    for (Node& node : spec.nodes)
        if (auto* linear = std::get_if<LinearSpec>(&node.module)) linear->output = 13;
    Network wide(Device::cpu(1), spec);
    wide.initialise({}, kStream);
    Generator generator(wide, {}, kStream);
    generator.feed(std::array{1});
    EXPECT_THROW(generator.next(1), Error);

    Network broken(Device::cpu(1), network_spec({.classes = 12, .hidden = 4}));
    broken.initialise({}, kStream);
    std::vector<HostTensor> parameters = broken.read_parameters(kStream);
    for (HostTensor& tensor : parameters)
        for (float& x : tensor.as<float>()) x = std::numeric_limits<float>::quiet_NaN();
    broken.write_parameters(parameters, kStream);
    Generator lost(broken, {}, kStream);
    lost.feed(std::array{1});
    EXPECT_THROW(lost.next(3), Error);
    try {
        lost.next();
        ADD_FAILURE() << "it goes on from a text that ended in an error";
    } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::state);
    }
}

SequenceModelSpec transformer() {
    SequenceModelSpec spec;
    spec.encoder = {.kind = EncoderSpec::Kind::transformer, .classes = 12, .hidden = 8, .layers = 2};
    spec.encoder.precision = Precision::f64();
    spec.encoder.causal = true;
    spec.encoder.steps = 150;
    spec.head = SequenceModelSpec::Head::next_token;
    spec.outputs = 12;
    return spec;
}

/// With what it remembers a transformer says what it says of all that it has read; when its context is full, of the later
/// half.
TEST(Generator, RemembersWhatATransformerHasRead) {
    const NetworkSpec spec = network_spec(transformer());
    Network whole(Device::cpu(1), spec);
    whole.initialise({.kind = InitSpec::Kind::uniform, .range = 0.5}, kStream);
    Network network(Device::cpu(1), with_memory(spec, 150));
    network.write_parameters(whole.read_parameters(kStream), kStream);
    const auto expect_after = [&](const Generator& generator, std::span<const std::int32_t> read) {
        const auto steps = static_cast<std::int64_t>(read.size());
        const std::vector<std::int32_t> ids(read.begin(), read.end());
        whole.forward(Feed().ids({steps, 1}, ids).absent().inputs(), Mode::inference, nullptr, kStream);
        const HostTensor expected = whole.read_value("output", kStream);
        const std::vector<double> logits = generator.logits();
        ASSERT_EQ(logits.size(), 12u);
        for (std::int64_t i = 0; i < 12; ++i)
            ASSERT_NEAR(logits[static_cast<std::size_t>(i)], expected.at((steps - 1) * 12 + i), 1e-12) << steps;
    };
    std::vector<std::int32_t> text = random_ids(1, 130, 12);  // two pieces and two tokens
    Generator generator(network, {.seed = 5}, kStream, "output", 150);
    generator.feed(text);
    expect_after(generator, text);
    while (text.size() < 150) text.push_back(generator.next());
    expect_after(generator, text);
    text.push_back(generator.next());
    expect_after(generator, std::span(text).last(76));
    text.push_back(generator.next());
    expect_after(generator, std::span(text).last(77));
    const std::vector<std::int32_t> longer = random_ids(2, 151, 12);
    generator.feed(longer);
    expect_after(generator, std::span(longer).last(150));

    // Texts beside each other, and many tokens at once, over the end of the context.
    const SamplingSpec sampling{.seed = 5};
    Generator both(network, sampling, kStream, "output", 12, 2), one(network, sampling, kStream, "output", 12);
    both.feed(std::array{1, 4, 2, 5});
    one.feed(std::array{1, 2});
    const std::vector<std::int32_t> ids = both.next(30);
    for (std::size_t n = 0; n < 30; ++n) EXPECT_EQ(ids[2 * n], one.next()) << n;
    one.reset();
    one.feed(std::array{4, 5});
    for (std::size_t n = 0; n < 30; ++n) {
        EXPECT_TRUE(allowed_draws(one.logits(), sampling, n, 1).contains(ids[2 * n + 1])) << n;
        one.feed(std::array{ids[2 * n + 1]});
    }

    Generator narrow(network, {}, kStream, "output", 1);
    narrow.feed(std::array{3, 4});
    narrow.feed(std::array{5});
    expect_after(narrow, std::array{5});
    EXPECT_THROW(Generator(network, {}, kStream, "output", 0), Error);
    EXPECT_THROW(Generator(network, {}, kStream, "output", 151), Error);
    EXPECT_THROW(Generator(whole, {}, kStream, "output", 10), Error);  // remembers nothing
}

TEST(Generator, RefusesWhatMakesNoSense) {
    Network network(Device::cpu(1), network_spec({.classes = 12, .hidden = 4}));
    network.initialise({}, kStream);
    Generator generator(network, {}, kStream);
    EXPECT_THROW(generator.next(), Error);
    EXPECT_THROW(generator.feed(std::array{12}), Error);
    EXPECT_THROW(Generator(network, {.temperature = -1}, kStream), Error);
    EXPECT_THROW(Generator(network, {}, kStream, "logits", 10), Error);  // it forgets by itself
    Generator lost(network, {}, kStream, "nothing");
    EXPECT_THROW(lost.feed(std::array{1}), Error);
}

}  // namespace
}  // namespace rondo
