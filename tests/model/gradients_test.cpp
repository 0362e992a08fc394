/// Gradients of whole networks: every module, values with several readers, ties, ragged batches, carried states.
#include "model/gradient_check.hpp"

namespace rondo {
namespace {

using namespace test;

StackSpec stack(std::int64_t input, std::vector<LayerSpec> layers) {
    return {.input = input, .layers = std::move(layers), .precision = Precision::f64()};
}

Network make(NetworkSpec spec, double range = 0.4) {
    spec.precision = Precision::f64();
    Network network(Device::cpu(1), std::move(spec));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = range, .seed = 3}, kStream);
    network.set_random({5, 1}, kStream);
    return network;
}

NetworkSpec language_model(double dropout, bool per_sequence = false) {
    LayerSpec lstm{.hidden = 6}, gru{.cell = "gru", .hidden = 5};
    lstm.dropout = gru.dropout = dropout;
    lstm.dropout_per_sequence = gru.dropout_per_sequence = per_sequence;
    NetworkSpec spec;
    spec.inputs = {{"tokens"}, {"targets"}};
    spec.nodes = {{"embedding", EmbeddingSpec{7, 4}, {"tokens"}, {"x"}},
                  {"rnn", stack(4, {lstm, gru}), {"x"}, {"y"}},
                  {"dropout", DropoutSpec{dropout, per_sequence}, {"y"}, {"d"}},
                  {"linear", LinearSpec{5, 7}, {"d"}, {"logits"}},
                  {"loss", CrossEntropySpec{}, {"logits", "targets"}}};
    return spec;
}

Feed tokens(std::int64_t steps, std::int64_t batch, std::vector<std::int64_t> lengths = {}) {
    Feed feed;
    feed.ids({steps, batch}, random_ids(1, steps * batch, 7), lengths)
        .ids({steps, batch}, random_ids(2, steps * batch, 7), lengths);
    return feed;
}

TEST(Gradients, LanguageModelInAllReductions) {
    Network network = make(language_model(0));
    for (Reduction reduction : {Reduction::sum, Reduction::mean, Reduction::mean_of_batch})
        check_parameter_gradients(network, tokens(5, 3), reduction);
}

TEST(Gradients, DropoutWithItsMaskHeld) {
    for (bool per_sequence : {false, true}) {
        Network network = make(language_model(0.4, per_sequence));
        check_parameter_gradients(network, tokens(5, 3), Reduction::mean);
    }
}

TEST(Gradients, RaggedRowsAndIgnoredTargets) {
    Network network = make(language_model(0));
    Feed feed = tokens(5, 4, {5, 2, 0, 3});
    feed.ids_of(1)[1] = -1;
    check_parameter_gradients(network, feed, Reduction::mean);
}

TEST(Gradients, LossFromAStepOn) {
    Network network = make(language_model(0));
    check_parameter_gradients(network, tokens(5, 3), Reduction::mean, 3);
}

TEST(Gradients, FromACarriedState) {
    Network network = make(language_model(0));
    NetworkState state = network.make_state(3);
    network.forward(tokens(4, 3).inputs(), Mode::inference, nullptr, kStream);
    network.keep_state(4, state, kStream);
    check_parameter_gradients(network, tokens(5, 3), Reduction::mean, 0, &state);
}

TEST(Gradients, TiedParametersTakeBothUses) {
    NetworkSpec spec;
    spec.inputs = {{"tokens"}, {"targets"}};
    spec.nodes = {{"embedding", EmbeddingSpec{7, 5}, {"tokens"}, {"x"}},
                  {"rnn", stack(5, {{.cell = "rnn_tanh", .hidden = 5}}), {"x"}, {"y"}},
                  {"linear", LinearSpec{5, 7}, {"y"}, {"logits"}},
                  {"loss", CrossEntropySpec{}, {"logits", "targets"}}};
    spec.ties = {{"linear.weight", "embedding.weight"}};
    Network network = make(spec);
    EXPECT_THROW(network.parameter("linear.weight"), Error);
    check_parameter_gradients(network, tokens(4, 3), Reduction::mean);
}

NetworkSpec large_vocabulary(const SampledSoftmaxSpec* sampled, bool tied) {
    NetworkSpec spec;
    spec.inputs = {{"tokens"}, {"targets"}};
    spec.nodes = {{"embedding", EmbeddingSpec{30, 5}, {"tokens"}, {"x"}},
                  {"rnn", stack(5, {{.cell = "gru", .hidden = 5}}), {"x"}, {"y"}}};
    if (sampled) {
        spec.nodes.push_back({"linear", *sampled, {"y", "targets"}});
    } else {
        spec.nodes.push_back({"linear", LinearSpec{5, 30}, {"y"}, {"logits"}});
        spec.nodes.push_back({"loss", CrossEntropySpec{}, {"logits", "targets"}});
    }
    if (tied) spec.ties = {{"linear.weight", "embedding.weight"}};
    return spec;
}

Feed words(std::int64_t steps, std::int64_t batch, std::vector<std::int64_t> lengths = {}) {
    Feed feed;
    feed.ids({steps, batch}, random_ids(1, steps * batch, 30), lengths)
        .ids({steps, batch}, random_ids(2, steps * batch, 30), lengths);
    feed.ids_of(1)[1] = -1;
    return feed;
}

using Proposal = SampledSoftmaxSpec::Proposal;

TEST(Gradients, SampledSoftmaxWithItsDrawHeld) {
    for (const Proposal proposal : {Proposal::log_uniform, Proposal::uniform})
        for (const bool tied : {false, true})
            for (const std::int64_t samples : {1, 7, 16}) {
                const SampledSoftmaxSpec sampled{5, 30, samples, !tied, proposal};
                Network network = make(large_vocabulary(&sampled, tied), 0.8);
                check_parameter_gradients(network, words(5, 3, {5, 0, 3}), Reduction::mean);
                check_parameter_gradients(network, words(5, 3), Reduction::sum, 3);
            }
}

/// As many samples as classes, uniform, are every class once; and inference looks at all of them whatever was sampled.
TEST(Gradients, SampledSoftmaxOfAllClassesIsTheSoftmax) {
    for (const bool tied : {false, true}) {
        const SampledSoftmaxSpec all{5, 30, 30, true, Proposal::uniform}, few{5, 30, 4};
        Network full = make(large_vocabulary(nullptr, tied), 0.8), sampled = make(large_vocabulary(&all, tied), 0.8),
                rough = make(large_vocabulary(&few, tied), 0.8);
        const Feed feed = words(5, 3, {5, 2, 3});
        EXPECT_NEAR(loss_of(sampled, feed, Reduction::mean), loss_of(full, feed, Reduction::mean), 1e-13);
        full.backward(false, kStream);
        sampled.backward(false, kStream);
        const auto expected = full.read_gradients(kStream), found = sampled.read_gradients(kStream);
        ASSERT_EQ(expected.size(), found.size());
        for (std::size_t p = 0; p < expected.size(); ++p) {
            EXPECT_EQ(expected[p].name, found[p].name);
            for (std::int64_t i = 0; i < expected[p].shape.size(); ++i)
                ASSERT_NEAR(found[p].at(i), expected[p].at(i), 1e-13) << expected[p].name << " " << i;
        }
        for (Network* network : {&full, &sampled, &rough}) {
            network->forward(feed.inputs(), Mode::inference, nullptr, kStream);
            network->loss(Reduction::sum, 2, kStream);
        }
        const LossValue loss = full.read_loss(kStream);
        EXPECT_EQ(rough.read_loss(kStream).sum, sampled.read_loss(kStream).sum);
        EXPECT_NEAR(rough.read_loss(kStream).sum, loss.sum, 1e-12);
        EXPECT_EQ(rough.read_loss(kStream).counted, loss.counted);
    }
}

TEST(Gradients, SampledSoftmaxIsTheSoftmaxOnAverage) {
    for (const Proposal proposal : {Proposal::log_uniform, Proposal::uniform}) {
        const SampledSoftmaxSpec sampled{5, 30, 20, true, proposal};
        Network full = make(large_vocabulary(nullptr, true)), network = make(large_vocabulary(&sampled, true));
        const Feed feed = words(4, 3);
        const double expected_loss = loss_of(full, feed, Reduction::mean);
        full.backward(false, kStream);
        const auto expected = full.read_gradients(kStream);
        constexpr int kDraws = 1000;
        double loss = 0;
        std::vector<HostTensor> first;
        for (int draw = 0; draw < kDraws; ++draw) {
            network.set_random({5, static_cast<std::uint64_t>(draw)}, kStream);
            loss += loss_of(network, feed, Reduction::mean) / kDraws;
            network.backward(draw > 0, kStream);
            if (draw == 0) first = network.read_gradients(kStream);
        }
        EXPECT_NEAR(loss, expected_loss, 0.01 * expected_loss);
        const auto sums = network.read_gradients(kStream);
        for (std::size_t p = 0; p < expected.size(); ++p) {
            const double largest = largest_gradient(expected, expected[p].name);
            for (std::int64_t i = 0; i < expected[p].shape.size(); ++i)
                ASSERT_NEAR(sums[p].at(i) / kDraws, expected[p].at(i), 0.05 * largest) << expected[p].name << " " << i;
        }
        network.set_random({5, 0}, kStream);
        loss_of(network, feed, Reduction::mean);
        network.backward(false, kStream);
        const auto again = network.read_gradients(kStream);
        for (std::size_t p = 0; p < first.size(); ++p) EXPECT_EQ(again[p].data, first[p].data);
        EXPECT_NE(sums[0].data, first[0].data);
    }
}

TEST(Gradients, SampledSoftmaxRefusesWhatDoesNotFit) {
    for (const SampledSoftmaxSpec& wrong :
         {SampledSoftmaxSpec{5, 30, 0}, SampledSoftmaxSpec{5, 1, 1}, SampledSoftmaxSpec{0, 30, 1}})
        EXPECT_THROW(make(large_vocabulary(&wrong, false)), Error);
    const SampledSoftmaxSpec narrow{4, 30, 3}, few{5, 29, 3};
    EXPECT_THROW(
        loss_of(*std::make_unique<Network>(make(large_vocabulary(&narrow, false))), words(2, 2), Reduction::sum),
        Error);
    Feed feed = words(2, 2);
    feed.ids_of(1)[0] = 29;
    Network network = make(large_vocabulary(&few, false));
    EXPECT_THROW(loss_of(network, feed, Reduction::sum), Error);
}

TEST(Gradients, TiesFindTheirOwner) {
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 3}, {"target", DType::f64, 3}};
    spec.nodes = {{"first", LinearSpec{3, 3}, {"x"}, {"a"}},
                  {"second", LinearSpec{3, 3}, {"a"}, {"b"}},
                  {"third", LinearSpec{3, 3}, {"b"}, {"c"}},
                  {"loss", SquaredErrorSpec{}, {"c", "target"}}};
    spec.ties = {{"third.weight", "second.weight"}, {"third.bias", "first.bias"}};
    Network network = make(spec);
    ASSERT_EQ(network.parameters().size(), 4u);
    Random random(8);
    Feed feed;
    feed.numbers({4, 2, 3}, random.uniforms(24)).numbers({4, 2, 3}, random.uniforms(24));
    check_parameter_gradients(network, feed, Reduction::mean);
    // By hand: c = W2·(W2·(W1·x + b1) + b2) + b1.
    network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
    const HostTensor c = network.read_value("c", kStream);
    const auto tensors = network.read_parameters(kStream);
    const auto layer = [&](const char* w, const char* b, const std::vector<double>& x) {
        std::vector<double> y;
        for (std::int64_t i = 0; i < 3; ++i) {
            double sum = find(tensors, b).at(i);
            for (std::int64_t j = 0; j < 3; ++j) sum += find(tensors, w).at(i * 3 + j) * x[static_cast<std::size_t>(j)];
            y.push_back(sum);
        }
        return y;
    };
    const std::vector<double> x(feed.numbers_of(0).begin(), feed.numbers_of(0).begin() + 3);
    const auto y = layer("second.weight", "first.bias",
                         layer("second.weight", "second.bias", layer("first.weight", "first.bias", x)));
    for (std::int64_t i = 0; i < 3; ++i) EXPECT_NEAR(c.at(i), y[static_cast<std::size_t>(i)], 1e-14);
}

/// One value read by dropout on the way to one loss, by a second loss, and by a stack that no loss depends on.
NetworkSpec fan_out() {
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 3, true}, {"target", DType::f64, 2}, {"other", DType::f64, 4}};
    spec.nodes = {{"shared", LinearSpec{3, 4}, {"x"}, {"s"}},
                  {"drop", DropoutSpec{0.4}, {"s"}, {"d"}},
                  {"rnn", stack(4, {{.cell = "gru", .hidden = 4}}), {"d"}, {"y"}},
                  {"again", stack(4, {{.hidden = 2}}), {"s"}, {"z"}},
                  {"top", LinearSpec{4, 2, false}, {"y"}, {"p"}},
                  {"first", SquaredErrorSpec{}, {"p", "target"}},
                  {"second", SquaredErrorSpec{}, {"s", "other"}},
                  {"unread", LinearSpec{2, 3}, {"z"}, {"u"}}};
    return spec;
}

Feed fan_out_feed(std::vector<std::int64_t> lengths = {}) {
    Random random(8);
    Feed feed;
    feed.numbers({4, 3, 3}, random.uniforms(36), lengths)
        .numbers({4, 3, 2}, random.uniforms(24))
        .numbers({4, 3, 4}, random.uniforms(48));
    return feed;
}

TEST(Gradients, AreSummedWhereAValueHasSeveralReaders) {
    for (const std::vector<std::int64_t>& lengths : {std::vector<std::int64_t>{}, {4, 0, 2}}) {
        Network network = make(fan_out());
        Feed feed = fan_out_feed(lengths);
        check_parameter_gradients(network, feed, Reduction::mean);
        check_input_gradient(network, feed, 0, Reduction::sum);
        // What no loss depends on has a gradient of exactly zero.
        EXPECT_EQ(largest_gradient(network.read_gradients(kStream), "unread.weight"), 0);
        EXPECT_EQ(largest_gradient(network.read_gradients(kStream), "again.weight_hh_l0"), 0);
        EXPECT_GT(largest_gradient(network.read_gradients(kStream), "shared.weight"), 0);
    }
}

TEST(Gradients, ALossWithoutItsTargetIsLeftOut) {
    Network network = make(fan_out());
    loss_of(network, fan_out_feed(), Reduction::mean);
    network.backward(false, kStream);
    EXPECT_GT(largest_gradient(network.read_gradients(kStream), "top.weight"), 0);
    Random random(8);
    Feed feed;
    feed.numbers({4, 3, 3}, random.uniforms(36)).absent().numbers({4, 3, 4}, random.uniforms(48));
    check_parameter_gradients(network, feed, Reduction::mean);
    EXPECT_EQ(largest_gradient(network.read_gradients(kStream), "top.weight"), 0);
}

/// x twice into one module's ports: a stack whose initial state is a value with other readers too.
TEST(Gradients, StatesAsPorts) {
    NetworkSpec spec;
    spec.inputs = {{"source", DType::f64, 3, true}, {"goal", DType::f64, 2, true}, {"target", DType::f64, 4}};
    spec.nodes = {{"encoder", stack(3, {{.hidden = 4}}), {"source"}, {"", "h", "c"}},
                  {"decoder", stack(2, {{.hidden = 4}}), {"goal", "h", "c"}, {"y", "", "last"}},
                  {"drop", DropoutSpec{0.3}, {"last"}, {"dropped"}},
                  {"end", SquaredErrorSpec{}, {"dropped", "target"}},
                  {"mid", LinearSpec{4, 4}, {"h"}, {"m"}},
                  {"loop", stack(2, {{.cell = "gru", .hidden = 4}}), {"goal", "m"}, {"", "n"}},
                  {"more", LinearSpec{4, 4}, {"n"}, {"o"}},
                  {"drop2", DropoutSpec{0.5}, {"o"}, {"q"}},
                  {"join", stack(4, {{.cell = "rnn_tanh", .hidden = 4}}), {"y", "q"}, {"w"}},
                  {"narrow", LinearSpec{4, 2}, {"w"}, {"v"}},
                  {"also", SquaredErrorSpec{}, {"v", "third"}}};
    spec.inputs.push_back({"third", DType::f64, 2});
    Network network = make(spec);
    Random random(4);
    Feed feed;
    feed.numbers({5, 2, 3}, random.uniforms(30), {5, 3})
        .numbers({3, 2, 2}, random.uniforms(12))
        .numbers({2, 4}, random.uniforms(8))
        .numbers({3, 2, 2}, random.uniforms(12));
    check_parameter_gradients(network, feed, Reduction::sum);
    check_input_gradient(network, feed, 1, Reduction::sum);
    // Past a row's length there is no gradient.
    loss_of(network, feed, Reduction::sum);
    network.backward(false, kStream);
    const HostTensor dx = network.read_gradient("source", kStream);
    for (std::int64_t t = 3; t < 5; ++t)
        for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(dx.at((t * 2 + 1) * 3 + i), 0);
    EXPECT_NE(dx.at(0), 0);
}

TEST(Gradients, BidirectionalAndProjectedStacks) {
    LayerSpec both{.hidden = 5, .direction = Direction::bidirectional, .projection = 2};
    LayerSpec sum{.cell = "gru", .hidden = 3, .direction = Direction::bidirectional, .merge = Merge::sum};
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f64, 3, true}, {"target", DType::f64, 3}};
    spec.nodes = {{"rnn", stack(3, {both, sum}), {"x"}, {"y"}}, {"loss", SquaredErrorSpec{}, {"y", "target"}}};
    Network network = make(spec);
    Random random(4);
    Feed feed;
    feed.numbers({4, 2, 3}, random.uniforms(24), {4, 3}).numbers({4, 2, 3}, random.uniforms(24));
    check_parameter_gradients(network, feed, Reduction::mean);
    check_input_gradient(network, feed, 0, Reduction::mean);
}

TEST(Gradients, AccumulateAddsToWhatIsThere) {
    Network network = make(language_model(0));
    const Feed feed = tokens(5, 3);
    loss_of(network, feed, Reduction::mean);
    network.backward(false, kStream);
    const auto once = network.read_gradients(kStream);
    loss_of(network, feed, Reduction::mean);
    network.backward(true, kStream);
    const auto twice = network.read_gradients(kStream);
    for (std::size_t p = 0; p < once.size(); ++p)
        for (std::int64_t i = 0; i < once[p].shape.size(); ++i)
            ASSERT_NEAR(twice[p].at(i), 2 * once[p].at(i), 1e-15) << once[p].name;
}

}  // namespace
}  // namespace rondo
