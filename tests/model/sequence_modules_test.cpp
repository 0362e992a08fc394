/// The modules around the recurrent stacks: gradients against differences, values against plain formulas, and that what
/// lies past a length has no influence.
#include <algorithm>
#include <limits>
#include <numbers>

#include "model/gradient_check.hpp"
#include "rondo/gradient_flow.hpp"
#include "rondo/sequence_model.hpp"

namespace rondo {
namespace {

using namespace test;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Network network_of(NetworkSpec spec, double range = 0.7) {
    spec.precision = Precision::f64();
    Network network(Device::cpu(2), std::move(spec));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = range, .seed = 11}, kStream);
    network.set_random({5, 1}, kStream);
    return network;
}

/// x [T,B,width] through a linear layer, so that there is a parameter below, then `nodes` from value "x" to "y", and
/// squared error.
NetworkSpec between(std::int64_t width, std::vector<Node> nodes, std::int64_t output) {
    NetworkSpec spec;
    spec.inputs = {{"input", DType::f64, width, true}, {"target", DType::f64, output}};
    spec.nodes = {{"below", LinearSpec{width, width}, {"input"}, {"x"}}};
    spec.nodes.insert(spec.nodes.end(), nodes.begin(), nodes.end());
    spec.nodes.push_back({"loss", SquaredErrorSpec{}, {"y", "target"}});
    return spec;
}

/// input [5,3,4]; a target of `output` numbers a step, or a row.
Feed feed_of(std::int64_t output, bool per_step, std::vector<std::int64_t> lengths = {}, std::int64_t width = 4) {
    Random random(21);
    Feed feed;
    feed.numbers({5, 3, width}, random.uniforms(5 * 3 * width), std::move(lengths));
    if (per_step)
        feed.numbers({5, 3, output}, random.uniforms(5 * 3 * output));
    else
        feed.numbers({3, output}, random.uniforms(3 * output));
    return feed;
}

const std::vector<std::vector<std::int64_t>> kLengths{{}, {5, 1, 3}, {2, 0, 5}};

void check(const NetworkSpec& spec, Feed feed) {
    Network network = network_of(spec);
    check_parameter_gradients(network, feed, Reduction::mean);
    check_input_gradient(network, feed, 0, Reduction::sum, 2e-8);
}

TEST(SequenceModules, PoolsHaveTheirGradients) {
    for (const PoolSpec::Kind kind : {PoolSpec::Kind::last, PoolSpec::Kind::mean, PoolSpec::Kind::max})
        for (const auto& lengths : kLengths)
            check(between(4, {{"pool", PoolSpec{kind}, {"x"}, {"y"}}}, 4), feed_of(4, false, lengths));
}

TEST(SequenceModules, PoolsTakeValidStepsAlone) {
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 2}};
    spec.nodes = {{"last", PoolSpec{PoolSpec::Kind::last}, {"x"}, {"l"}},
                  {"mean", PoolSpec{PoolSpec::Kind::mean}, {"x"}, {"m"}},
                  {"max", PoolSpec{PoolSpec::Kind::max}, {"x"}, {"h"}}};
    Network network = network_of(spec);
    Feed feed;
    feed.numbers({3, 2, 2}, {1, 6, 7, kNan, 2, 5, kNan, kNan, -3, 8, kNan, kNan}, {3, 0});
    network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
    const auto value = [&](const char* name) { return network.read_value(name, kStream); };
    const HostTensor last = value("l"), mean = value("m"), most = value("h");
    EXPECT_EQ(last.at(0), -3);
    EXPECT_EQ(last.at(1), 8);
    EXPECT_EQ(mean.at(0), 0);
    EXPECT_NEAR(mean.at(1), 19.0 / 3, 1e-15);
    EXPECT_EQ(most.at(0), 2);
    EXPECT_EQ(most.at(1), 8);
    for (const HostTensor* none : {&last, &mean, &most})
        for (std::int64_t i = 2; i < 4; ++i) EXPECT_EQ(none->at(i), 0);
}

TEST(SequenceModules, ActivationsHaveTheirGradients) {
    using Kind = ActivationSpec::Kind;
    for (const Kind kind : {Kind::tanh, Kind::sigmoid, Kind::relu, Kind::gelu})
        check(between(4, {{"f", ActivationSpec{kind}, {"x"}, {"y"}}}, 4), feed_of(4, true));
}

TEST(SequenceModules, ActivationsAreTheirFormulas) {
    using Kind = ActivationSpec::Kind;
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 1}};
    spec.nodes = {{"t", ActivationSpec{Kind::tanh}, {"x"}, {"tanh"}},
                  {"s", ActivationSpec{Kind::sigmoid}, {"x"}, {"sigmoid"}},
                  {"r", ActivationSpec{Kind::relu}, {"x"}, {"relu"}},
                  {"g", ActivationSpec{Kind::gelu}, {"x"}, {"gelu"}}};
    Network network = network_of(spec);
    const std::vector<double> x{-2.5, -0.1, 0, 0.3, 4};
    network.forward(Feed().numbers({5, 1}, x).inputs(), Mode::inference, nullptr, kStream);
    for (std::int64_t i = 0; i < 5; ++i) {
        const double v = x[static_cast<std::size_t>(i)];
        EXPECT_NEAR(network.read_value("tanh", kStream).at(i), std::tanh(v), 1e-15);
        EXPECT_NEAR(network.read_value("sigmoid", kStream).at(i), 1 / (1 + std::exp(-v)), 1e-15);
        EXPECT_EQ(network.read_value("relu", kStream).at(i), std::max(v, 0.0));
        EXPECT_NEAR(network.read_value("gelu", kStream).at(i), v * (1 + std::erf(v / std::numbers::sqrt2)) / 2, 1e-15);
    }
}

TEST(SequenceModules, LayerNormHasItsGradients) {
    for (const auto& lengths : kLengths)
        check(between(4, {{"norm", LayerNormSpec{4}, {"x"}, {"n"}}, {"top", LinearSpec{4, 4}, {"n"}, {"y"}}}, 4),
              feed_of(4, true, lengths));
    // Two readers of one value: the gradient may not be written over.
    check(between(4, {{"norm", LayerNormSpec{4}, {"x"}, {"n"}}, {"sum", AddSpec{}, {"n", "x"}, {"y"}}}, 4),
          feed_of(4, true));
}

TEST(SequenceModules, LayerNormBeginsAsTheIdentityOfNormalRows) {
    NetworkSpec spec = between(4, {{"norm", LayerNormSpec{4, 1e-12}, {"x"}, {"y"}}}, 4);
    Network network = network_of(spec);
    network.forward(feed_of(4, true).inputs(), Mode::inference, nullptr, kStream);
    const HostTensor y = network.read_value("y", kStream);
    for (std::int64_t r = 0; r < 15; ++r) {
        double sum = 0, squares = 0;
        for (std::int64_t i = 0; i < 4; ++i) {
            sum += y.at(4 * r + i);
            squares += y.at(4 * r + i) * y.at(4 * r + i);
        }
        EXPECT_NEAR(sum, 0, 1e-9);
        EXPECT_NEAR(squares, 4, 1e-6);
    }
}

TEST(SequenceModules, SumsConcatenationsAndPositionsHaveTheirGradients) {
    using Kind = PositionSpec::Kind;
    for (const auto& lengths : kLengths) {
        check(between(4, {{"more", LinearSpec{4, 4}, {"x"}, {"m"}}, {"sum", AddSpec{}, {"m", "x"}, {"y"}}}, 4),
              feed_of(4, true, lengths));
        check(between(4, {{"more", LinearSpec{4, 2}, {"x"}, {"m"}}, {"join", ConcatSpec{}, {"m", "x"}, {"y"}}}, 6),
              feed_of(6, true, lengths));
        check(
            between(4,
                    {{"pool", PoolSpec{PoolSpec::Kind::mean}, {"x"}, {"p"}}, {"join", ConcatSpec{}, {"x", "p"}, {"y"}}},
                    8),
            feed_of(8, true, lengths));
        for (const Kind kind : {Kind::learned, Kind::sinusoidal})
            check(between(4, {{"place", PositionSpec{kind, 4, 7}, {"x"}, {"y"}}}, 4), feed_of(4, true, lengths));
    }
    check(between(4, {{"pool", PoolSpec{PoolSpec::Kind::mean}, {"x"}, {"p"}}, {"all", RepeatSpec{5}, {"p"}, {"y"}}}, 4),
          feed_of(4, true));
}

TEST(SequenceModules, PositionsAreSinusoids) {
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 5}};
    spec.nodes = {{"place", PositionSpec{PositionSpec::Kind::sinusoidal, 5, 9}, {"x"}, {"y"}}};
    Network network = network_of(spec);
    network.forward(Feed().numbers({4, 2, 5}, std::vector<double>(40, 1)).inputs(), Mode::inference, nullptr, kStream);
    const HostTensor y = network.read_value("y", kStream);
    for (std::int64_t t = 0; t < 4; ++t)
        for (std::int64_t b = 0; b < 2; ++b)
            for (std::int64_t i = 0; i < 5; ++i) {
                const double angle =
                    static_cast<double>(t) * std::exp(-std::log(1e4) * static_cast<double>(i / 2 * 2) / 5);
                EXPECT_NEAR(y.at((t * 2 + b) * 5 + i), 1 + (i % 2 ? std::cos(angle) : std::sin(angle)), 1e-14);
            }
    EXPECT_THROW(network.forward(Feed().numbers({10, 1, 5}, std::vector<double>(50)).inputs(), Mode::inference, nullptr,
                                 kStream),
                 Error);
}

// Attention.

/// Queries from "x" to the memory, another input [S,B,3], through linear layers of `width`.
NetworkSpec attention_network(const AttentionSpec& attention, std::int64_t value_width) {
    NetworkSpec spec = between(4,
                               {{"q", LinearSpec{4, attention.width}, {"x"}, {"queries"}},
                                {"k", LinearSpec{3, attention.width, false}, {"memory"}, {"keys"}},
                                {"v", LinearSpec{3, value_width}, {"memory"}, {"values"}},
                                {"attention", attention, {"queries", "keys", "values"}, {"y", "weights"}}},
                               value_width);
    spec.inputs.push_back({"memory", DType::f64, 3, true});
    return spec;
}

Feed attention_feed(std::int64_t output, std::vector<std::int64_t> lengths, std::vector<std::int64_t> memory_lengths,
                    std::int64_t keys = 6) {
    Feed feed = feed_of(output, true, std::move(lengths));
    Random random(31);
    feed.numbers({keys, 3, 3}, random.uniforms(keys * 9), std::move(memory_lengths));
    return feed;
}

using Score = AttentionSpec::Score;
const std::vector<AttentionSpec> kAttentions{{Score::dot, 1, 5},
                                             {Score::scaled_dot, 2, 6},
                                             {Score::scaled_dot, 1, 5, true},
                                             {Score::scaled_dot, 3, 6, true},
                                             {Score::additive, 1, 5}};

TEST(SequenceModules, AttentionHasItsGradients) {
    for (const AttentionSpec& attention : kAttentions)
        for (const auto& lengths : kLengths) {
            const std::int64_t keys = attention.causal ? 5 : 6, width = 6;
            Feed feed = attention_feed(width, lengths, {keys, 0, 2}, keys);
            Network network = network_of(attention_network(attention, width));
            check_parameter_gradients(network, feed, Reduction::mean);
            check_input_gradient(network, feed, 0, Reduction::sum, 2e-8);
            check_input_gradient(network, feed, 2, Reduction::sum, 2e-8);
        }
}

/// More keys than a block and more queries than a tile of the CPU's.
TEST(SequenceModules, LongAttentionHasItsGradients) {
    for (const bool causal : {false, true}) {
        NetworkSpec spec;
        spec.inputs = {{"input", DType::f64, 4, true}, {"target", DType::f64, 4}};
        spec.nodes = {{"q", LinearSpec{4, 4}, {"input"}, {"queries"}},
                      {"k", LinearSpec{4, 4}, {"input"}, {"keys"}},
                      {"a", AttentionSpec{Score::scaled_dot, 2, 4, causal}, {"queries", "keys", "input"}, {"y"}},
                      {"loss", SquaredErrorSpec{}, {"y", "target"}}};
        Network network = network_of(spec, 2);
        Random random(5);
        Feed feed;
        feed.numbers({140, 2, 4}, random.uniforms(1120), {140, 131}).numbers({140, 2, 4}, random.uniforms(1120));
        check_parameter_gradients(network, feed, Reduction::mean);
    }
}

/// Straight from the definition.
TEST(SequenceModules, AttentionIsItsFormula) {
    for (const AttentionSpec& attention : kAttentions) {
        const std::int64_t keys = attention.causal ? 5 : 6, width = 6, d = attention.width / attention.heads;
        const std::vector<std::int64_t> lengths{5, 2, 4}, memory{keys, 4, 0};
        Network network = network_of(attention_network(attention, width));
        network.forward(attention_feed(width, lengths, memory, keys).inputs(), Mode::inference, nullptr, kStream);
        const auto value = [&](const char* name) { return network.read_value(name, kStream); };
        const HostTensor q = value("queries"), k = value("keys"), v = value("values"), y = value("y"),
                         w = value("weights");
        const auto parameters = network.read_parameters(kStream);
        std::vector<double> vector;
        if (attention.score == Score::additive)
            for (double x : find(parameters, "attention.vector").as<double>()) vector.push_back(x);
        for (std::int64_t t = 0; t < 5; ++t)
            for (std::int64_t b = 0; b < 3; ++b) {
                std::vector<double> mean(static_cast<std::size_t>(keys)), out(static_cast<std::size_t>(width));
                const bool valid = t < lengths[static_cast<std::size_t>(b)];
                const std::int64_t seen =
                    !valid ? 0 : std::min(memory[static_cast<std::size_t>(b)], attention.causal ? t + 1 : keys);
                for (std::int64_t h = 0; h < attention.heads; ++h) {
                    std::vector<double> p;
                    double sum = 0;
                    for (std::int64_t s = 0; s < seen; ++s) {
                        double score = 0;
                        for (std::int64_t i = 0; i < d; ++i) {
                            const double a = q.at((t * 3 + b) * attention.width + h * d + i),
                                         c = k.at((s * 3 + b) * attention.width + h * d + i);
                            score += vector.empty() ? a * c : vector[static_cast<std::size_t>(i)] * std::tanh(a + c);
                        }
                        if (attention.score == Score::scaled_dot) score /= std::sqrt(static_cast<double>(d));
                        p.push_back(std::exp(score));
                        sum += p.back();
                    }
                    const std::int64_t part = width / attention.heads;
                    for (std::int64_t s = 0; s < seen; ++s) {
                        const double weight = p[static_cast<std::size_t>(s)] / sum;
                        mean[static_cast<std::size_t>(s)] += weight / static_cast<double>(attention.heads);
                        for (std::int64_t i = h * part; i < (h + 1) * part; ++i)
                            out[static_cast<std::size_t>(i)] += weight * v.at((s * 3 + b) * width + i);
                    }
                }
                for (std::int64_t i = 0; i < width; ++i)
                    ASSERT_NEAR(y.at((t * 3 + b) * width + i), out[static_cast<std::size_t>(i)], 1e-14);
                for (std::int64_t s = 0; s < keys; ++s)
                    ASSERT_NEAR(w.at((t * 3 + b) * keys + s), mean[static_cast<std::size_t>(s)], 1e-14);
            }
    }
}

/// NaN past a length, in queries, keys and values, changes no bit of what is valid.
TEST(SequenceModules, AttentionIgnoresWhatLiesPastALength) {
    for (const AttentionSpec& attention : kAttentions) {
        const std::int64_t keys = attention.causal ? 5 : 6;
        Network network = network_of(attention_network(attention, 6));
        std::vector<std::vector<double>> results;
        for (const double filler : {0.0, kNan}) {
            Feed feed = attention_feed(6, {2, 5, 3}, {keys, 1, 3}, keys);
            for (std::int64_t t = 2; t < 5; ++t)
                for (std::size_t i = 0; i < 4; ++i) feed.numbers_of(0)[static_cast<std::size_t>(t * 12) + i] = filler;
            for (std::int64_t s = 1; s < keys; ++s)
                for (std::size_t i = 0; i < 3; ++i)
                    feed.numbers_of(2)[static_cast<std::size_t>(s * 9) + 3 + i] = filler;
            std::vector<double>& result = results.emplace_back();
            result.push_back(loss_of(network, feed, Reduction::sum));
            network.backward(false, kStream);
            for (const HostTensor& g : network.read_gradients(kStream))
                for (double x : g.as<double>()) result.push_back(x);
        }
        EXPECT_EQ(results[0], results[1]);
    }
}

// Loops.

StackSpec small_stack(std::int64_t input) {
    return {input,
            {LayerSpec{.cell = "lstm", .hidden = 3, .projection = 2}, LayerSpec{.cell = "gru", .hidden = 4}},
            Precision::f64()};
}

/// A stack and a linear layer from "x" to "y", with the states "h", "c" and "g" of the stack's layers from a pooled
/// linear layer, in a loop or not. Parameters have the same order.
NetworkSpec stepped(bool loop) {
    const std::vector<Node> begin{{"pool", PoolSpec{PoolSpec::Kind::mean}, {"x"}, {"p"}},
                                  {"begin", LinearSpec{4, 2}, {"p"}, {"h"}}};
    const Node stack{"rnn", small_stack(4), {"x", "h", "", ""}, {"r", "", "", "last"}},
        linear{"top", LinearSpec{4, 4}, {"r"}, {"s"}};
    std::vector<Node> nodes = begin;
    if (loop) {
        LoopSpec steps;
        steps.steps = {{"x", DType::f64, 4}};
        steps.body = {{"rnn", small_stack(4), {"x"}, {"r"}}, linear};
        steps.outputs = {"s"};
        nodes.push_back({"loop", steps, {"x", "h"}, {"s", "", "", "last"}});
    } else {
        nodes.push_back(stack);
        nodes.push_back(linear);
    }
    nodes.push_back({"join", ConcatSpec{}, {"s", "last"}, {"y"}});
    return between(4, nodes, 8);
}

TEST(SequenceModules, LoopOverAStackIsTheStack) {
    for (const auto& lengths : kLengths) {
        std::vector<std::vector<double>> results;
        for (const bool loop : {false, true}) {
            Network network = network_of(stepped(loop));
            std::vector<HostTensor> parameters = network.read_parameters(kStream);
            Random random(77);  // names differ, and with them what initialise draws
            for (HostTensor& p : parameters) {
                const std::vector<double> values = random.uniforms(p.shape.size());
                std::copy(values.begin(), values.end(), p.as<double>().begin());
            }
            network.write_parameters(parameters, kStream);
            network.observe_gradients(true);
            Feed feed = feed_of(8, true, lengths);
            std::vector<double>& result = results.emplace_back();
            const auto take = [&](const HostTensor& tensor) {
                result.insert(result.end(), tensor.as<double>().begin(), tensor.as<double>().end());
            };
            result.push_back(loss_of(network, feed, Reduction::mean));
            network.backward(false, kStream);
            for (const LayerFlow& layer : network.gradient_flow(kStream).layers) {
                result.insert(result.end(), layer.rows.begin(), layer.rows.end());
                for (const auto* list : {&layer.norms, &layer.through_time, &layer.gates[0].low, &layer.gates[1].high})
                    result.insert(result.end(), list->begin(), list->end());
            }
            for (const HostTensor& g : network.read_gradients(kStream)) take(g);
            take(network.read_gradient("input", kStream));
            NetworkState state = network.make_state(3);
            for (const std::int64_t step : {0, 2, 5}) {
                network.keep_state(step, state, kStream);
                for (const HostTensor& s : state.read(kStream)) take(s);
            }
            network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
            take(network.read_value("y", kStream));
            network.keep_state(5, state, kStream);
            network.forward(feed.inputs(), Mode::inference, &state, kStream);
            take(network.read_value("y", kStream));
        }
        ASSERT_EQ(results[0].size(), results[1].size());
        for (std::size_t i = 0; i < results[0].size(); ++i) ASSERT_NEAR(results[0][i], results[1][i], 1e-13) << i;
    }
}

/// What is read past a row's length is NaN, and dropout draws another mask in each step.
TEST(SequenceModules, LoopsHaveTheirGradients) {
    LoopSpec steps;
    steps.steps = {{"x", DType::f64, 4}};
    steps.whole = {{"memory", DType::f64, 3}};
    steps.feedback = {{"n", "before", 4}};
    steps.body = {{"both", ConcatSpec{}, {"x", "before"}, {"b"}},
                  {"rnn", small_stack(8), {"b"}, {"r"}},
                  {"k", LinearSpec{3, 4}, {"memory"}, {"keys"}},
                  {"look", AttentionSpec{Score::dot, 1, 4}, {"r", "keys", "memory"}, {"c"}},
                  {"join", ConcatSpec{}, {"r", "c"}, {"j"}},
                  {"drop", DropoutSpec{0.3}, {"j"}, {"d"}},
                  {"out", LinearSpec{7, 4}, {"d"}, {"n"}},
                  {"unread", LinearSpec{4, 2}, {"r"}, {"u"}}};
    steps.outputs = {"n", "c"};
    for (const auto& lengths : kLengths) {
        NetworkSpec spec =
            between(4, {{"loop", steps, {"x", "memory"}, {"s", "t"}}, {"all", ConcatSpec{}, {"s", "t"}, {"y"}}}, 7);
        spec.inputs.push_back({"memory", DType::f64, 3, true});
        Feed feed = attention_feed(7, lengths, {6, 0, 2});
        for (std::size_t b = 0; b < lengths.size(); ++b)
            for (std::int64_t t = lengths[b]; t < 5; ++t)
                for (std::size_t i = 0; i < 4; ++i)
                    feed.numbers_of(0)[(static_cast<std::size_t>(t) * 3 + b) * 4 + i] = kNan;
        Network network = network_of(spec);
        check_parameter_gradients(network, feed, Reduction::mean);
        if (lengths.empty()) check_input_gradient(network, feed, 0, Reduction::sum, 2e-8);
        check_input_gradient(network, feed, 2, Reduction::sum, 2e-8);
    }
}

TEST(SequenceModules, LoopsDrawOncePerStepOrOncePerSequence) {
    for (const bool once : {false, true}) {
        LoopSpec steps;
        steps.steps = {{"x", DType::f64, 4}};
        steps.body = {{"drop", DropoutSpec{0.5, once}, {"x"}, {"d"}}};
        steps.outputs = {"d"};
        Network network = network_of(between(4, {{"loop", steps, {"x"}, {"y"}}}, 4));
        const Feed feed = feed_of(4, true);
        network.forward(feed.inputs(), Mode::training, nullptr, kStream);
        const HostTensor y = network.read_value("y", kStream);
        int same = 0, dropped = 0;
        for (std::int64_t i = 0; i < 12; ++i)
            for (std::int64_t t = 0; t < 5; ++t) {
                dropped += y.at(t * 12 + i) == 0;
                same += (y.at(t * 12 + i) == 0) == (y.at(i) == 0);
            }
        EXPECT_GT(dropped, 10);
        EXPECT_LT(dropped, 50);
        EXPECT_EQ(same == 60, once);
        network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
        EXPECT_EQ(network.read_value("y", kStream).data, network.read_value("x", kStream).data);
    }
}

/// Ids go from step to step: each step reads what the step before found the largest, or what it is told.
TEST(SequenceModules, LoopsReadTheirOwnWords) {
    LoopSpec steps;
    steps.steps = {{"told", DType::i32}, {"which", DType::i32}};
    steps.feedback = {{"word", "before", 0}};
    steps.body = {{"select", SelectSpec{3}, {"which", "told", "before"}, {"read"}},
                  {"embedding", EmbeddingSpec{3, 3}, {"read"}, {"e"}},
                  {"own", SampleSpec{1, 1}, {"e"}, {"word"}}};
    steps.outputs = {"e", "word"};
    NetworkSpec spec;
    spec.inputs = {{"told"}, {"which"}, {"targets"}};
    spec.nodes = {{"loop", steps, {"told", "which"}, {"e", "words"}}, {"loss", CrossEntropySpec{}, {"e", "targets"}}};
    Network network = network_of(spec);
    // The row of a word has the next one's element largest: 0 -> 2 -> 1 -> 0.
    std::vector<HostTensor> parameters = network.read_parameters(kStream);
    const std::vector<double> table{0.1, 0.2, 0.9, 0.8, 0.1, 0.3, 0.2, 0.7, 0.1};
    std::copy(table.begin(), table.end(), parameters[0].as<double>().begin());
    network.write_parameters(parameters, kStream);
    Feed feed;
    feed.ids({5, 1}, {1, 1, 1, 0, 1}).ids({5, 1}, {1, 0, 0, 1, 0}).ids({5, 1}, {0, 1, 2, 0, 1});
    test::check_parameter_gradients(network, feed, Reduction::mean);
    const HostTensor words = network.read_value("words", kStream);
    EXPECT_EQ(std::vector<std::int32_t>(words.as<std::int32_t>().begin(), words.as<std::int32_t>().end()),
              (std::vector<std::int32_t>{0, 2, 1, 2, 1}));
}

TEST(SequenceModules, LoopsRefuseWhatHasNoMeaningInAStep) {
    const auto refused = [](std::vector<Node> body) {
        LoopSpec steps;
        steps.steps = {{"x", DType::f64, 4}};
        steps.body = std::move(body);
        steps.outputs = {"s"};
        EXPECT_THROW(network_of(between(4, {{"loop", steps, {"x"}, {"y"}}}, 4)), Error);
    };
    LayerSpec backwards{.cell = "gru", .hidden = 2};
    backwards.direction = Direction::bidirectional;
    refused({{"rnn", StackSpec{4, {backwards}, Precision::f64()}, {"x"}, {"s"}}});
    LayerSpec once{.cell = "gru", .hidden = 4};
    once.recurrent_dropout = 0.1;
    refused({{"rnn", StackSpec{4, {once}, Precision::f64()}, {"x"}, {"s"}}});
    refused({{"place", PositionSpec{PositionSpec::Kind::sinusoidal, 4, 5}, {"x"}, {"s"}}});
    refused({{"self", AttentionSpec{Score::dot, 1, 4, true}, {"x", "x", "x"}, {"s"}}});
    refused({{"drop", DropoutSpec{}, {"x"}, {"t"}}});  // makes no "s"
    refused({{"drop", DropoutSpec{}, {"x"}, {"s"}}, {"loss", SquaredErrorSpec{}, {"s", "x"}}});
}

// Memory.

SequenceModelSpec reader(PositionSpec::Kind positions) {
    SequenceModelSpec spec;
    spec.encoder = {.kind = EncoderSpec::Kind::transformer, .classes = 9, .hidden = 8, .layers = 2};
    spec.encoder.precision = Precision::f64();
    spec.encoder.heads = 2;
    spec.encoder.causal = true;
    spec.encoder.steps = 12;
    spec.encoder.positions = positions;
    spec.head = SequenceModelSpec::Head::next_token;
    spec.outputs = 9;
    return spec;
}

/// Pieces in which every row has a length of its own, none too; each forward begins with what the one before left, in
/// the same state or in another by turns, and in the middle all rows change places.
TEST(SequenceModules, PiecesWithMemoryAreTheWhole) {
    for (const PositionSpec::Kind positions : {PositionSpec::Kind::sinusoidal, PositionSpec::Kind::learned}) {
        constexpr std::int64_t kSteps = 11, kBatch = 3, kClasses = 9;
        const NetworkSpec spec = network_spec(reader(positions));
        Network whole = network_of(spec), pieces = network_of(with_memory(spec, 12));
        const std::vector<std::int32_t> ids = random_ids(3, kSteps * kBatch, kClasses);
        whole.forward(Feed().ids({kSteps, kBatch}, ids).absent().inputs(), Mode::inference, nullptr, kStream);
        const HostTensor expected = whole.read_value("output", kStream);

        NetworkState states[2]{pieces.make_state(kBatch), pieces.make_state(kBatch)};
        std::vector<std::int64_t> place{0, 1, 2}, read{0, 0, 0};  // of the whole's row; its steps so far
        int turn = 0, checked = 0;
        for (const std::vector<std::int64_t>& lengths :
             std::vector<std::vector<std::int64_t>>{{2, 4, 0}, {1, 1, 1}, {3, 0, 5}, {1, 1, 1}, {4, 5, 0}}) {
            const std::int64_t steps = *std::max_element(lengths.begin(), lengths.end());
            std::vector<std::int32_t> piece(static_cast<std::size_t>(steps * kBatch), 8);
            for (std::size_t b = 0; b < kBatch; ++b)
                for (std::int64_t t = 0; t < lengths[b]; ++t)
                    piece[static_cast<std::size_t>(t * kBatch) + b] =
                        ids[static_cast<std::size_t>((read[b] + t) * kBatch + place[b])];
            const bool first = turn == 0;
            pieces.forward(Feed().ids({steps, kBatch}, piece, lengths).absent().inputs(), Mode::inference,
                           first ? nullptr : &states[turn % 2], kStream);
            const HostTensor found = pieces.read_value("output", kStream);
            for (std::size_t b = 0; b < kBatch; ++b) {
                for (std::int64_t t = 0; t < lengths[b]; ++t)
                    for (std::int64_t c = 0; c < kClasses; ++c, ++checked)
                        ASSERT_NEAR(found.at((t * kBatch + static_cast<std::int64_t>(b)) * kClasses + c),
                                    expected.at(((read[b] + t) * kBatch + place[b]) * kClasses + c), 1e-12)
                            << "piece " << turn << " row " << b << " step " << t;
                read[b] += lengths[b];
            }
            NetworkState &same = states[turn % 2], &other = states[(turn + 1) % 2];
            if (turn == 1) {
                pieces.keep_state(steps, same, kStream);
                const std::vector<std::int64_t> rows{2, 0, 1};
                other.take_rows(same, rows, kStream);
                place = {place[2], place[0], place[1]};
                read = {read[2], read[0], read[1]};
            } else {
                pieces.keep_state(steps, other, kStream);
                pieces.keep_state(0, same, kStream);  // what it began from is as it was
            }
            ++turn;
        }
        EXPECT_EQ(checked, 29 * kClasses);
    }
}

TEST(SequenceModules, MemoryIsAsLongAsItIs) {
    SequenceModelSpec model = reader(PositionSpec::Kind::sinusoidal);
    Network network = network_of(with_memory(network_spec(model), 5));
    NetworkState state = network.make_state(1);
    const auto read = [&](std::int64_t steps) {
        const std::vector<std::int32_t> ids(static_cast<std::size_t>(steps), 1);
        network.forward(Feed().ids({steps, 1}, ids).absent().inputs(), Mode::inference, &state, kStream);
        network.keep_state(steps, state, kStream);
    };
    EXPECT_THROW(read(6), Error);
    read(3);
    EXPECT_THROW(read(3), Error);
    read(2);
    EXPECT_THROW(read(1), Error);
    state.zero(kStream);
    read(5);
    EXPECT_THROW(network.keep_state(3, state, kStream), Error);
    EXPECT_THROW(state.take_rows(state, std::vector<std::int64_t>{0}, kStream), Error);
    NetworkState other = network.make_state(1);
    EXPECT_THROW(other.take_rows(state, std::vector<std::int64_t>{1}, kStream), Error);
    EXPECT_THROW(other.take_rows(state, std::vector<std::int64_t>{0, 0}, kStream), Error);
    EXPECT_THROW(loss_of(network, Feed().ids({2, 1}, {1, 1}).ids({2, 1}, {1, 1}), Reduction::sum), Error);  // training
    EXPECT_THROW(validate(with_memory(network_spec(model), 0)), Error);
    NetworkSpec blind = attention_network({Score::scaled_dot, 1, 6, false, 4}, 6);  // not causal
    blind.precision = Precision::f64();
    EXPECT_THROW(validate(blind), Error);
}

TEST(SequenceModules, RefuseWhatDoesNotFit) {
    const auto refused = [](const NetworkSpec& spec, const Feed& feed) {
        EXPECT_THROW(
            {
                Network network = network_of(spec);
                network.forward(feed.inputs(), Mode::training, nullptr, kStream);
            },
            Error);
    };
    refused(between(4, {{"norm", LayerNormSpec{3}, {"x"}, {"y"}}}, 4), feed_of(4, true));
    refused(between(4, {{"norm", LayerNormSpec{4, 0}, {"x"}, {"y"}}}, 4), feed_of(4, true));
    refused(between(4, {{"all", RepeatSpec{5}, {"x"}, {"y"}}}, 4), feed_of(4, true));
    refused(between(4, {{"more", LinearSpec{4, 3}, {"x"}, {"m"}}, {"sum", AddSpec{}, {"m", "x"}, {"y"}}}, 4),
            feed_of(4, true));
    refused(attention_network({Score::scaled_dot, 4, 6}, 6), attention_feed(6, {}, {}));
    refused(attention_network({Score::additive, 2, 6}, 6), attention_feed(6, {}, {}));
    refused(attention_network({Score::additive, 1, 6, true}, 6), attention_feed(6, {}, {}));
    refused(attention_network({Score::scaled_dot, 1, 6, true}, 6), attention_feed(6, {}, {}));  // 5 queries, 6 keys
    // Nothing may be learned from the weights.
    NetworkSpec spec = attention_network({Score::scaled_dot, 1, 6}, 6);
    spec.inputs.push_back({"map", DType::f64, 6});
    spec.nodes.push_back({"by_map", SquaredErrorSpec{}, {"weights", "map"}});
    Network network = network_of(spec);
    Feed feed = attention_feed(6, {}, {});
    feed.numbers({5, 3, 6}, std::vector<double>(90));
    loss_of(network, feed, Reduction::sum);
    network.backward(false, kStream);
    const auto with = network.read_gradients(kStream);
    Network plain = network_of(attention_network({Score::scaled_dot, 1, 6}, 6));
    loss_of(plain, attention_feed(6, {}, {}), Reduction::sum);
    plain.backward(false, kStream);
    EXPECT_EQ(with[0].data, plain.read_gradients(kStream)[0].data);
}

}  // namespace
}  // namespace rondo
