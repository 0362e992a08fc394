/// Networks as a caller sees them: names, shapes, values, losses, carried state, order of calls, what is refused.
#include <limits>

#include "model/gradient_check.hpp"
#include "rondo/gradient_flow.hpp"
#include "rondo/language_model.hpp"

namespace rondo {
namespace {

using namespace test;

NetworkSpec word_model(Precision precision = Precision::f64()) {
    NetworkSpec spec;
    spec.precision = precision;
    spec.inputs = {{"tokens"}, {"targets"}};
    spec.nodes = {{"embedding", EmbeddingSpec{6, 4}, {"tokens"}, {"x"}},
                  {"rnn", StackSpec{4, {{.hidden = 5}, {.cell = "gru", .hidden = 3}}, precision, {}}, {"x"}, {"y"}},
                  {"linear", LinearSpec{3, 6}, {"y"}, {"logits"}},
                  {"loss", CrossEntropySpec{}, {"logits", "targets"}}};
    return spec;
}

Network make(NetworkSpec spec) {
    Network network(Device::cpu(1), std::move(spec));
    network.initialise({}, kStream);
    return network;
}

Feed feed_of(std::int64_t steps, std::int64_t batch, std::vector<std::int64_t> lengths = {}) {
    Feed feed;
    feed.ids({steps, batch}, random_ids(1, steps * batch, 6), lengths)
        .ids({steps, batch}, random_ids(2, steps * batch, 6), lengths);
    return feed;
}

// The message must name the field, so that the user can find it.
template <class F>
void expect_refused(F f, const std::string& part, ErrorCode code = ErrorCode::invalid_argument) {
    try {
        f();
        ADD_FAILURE() << "not refused: " << part;
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
        EXPECT_EQ(e.code(), code) << e.what();
    }
}

TEST(Network, NamesItsParametersAndKeepsThemApart) {
    Network network = make(word_model());
    std::vector<std::string> names;
    std::int64_t end = 0, count = 0;
    for (const NetworkParameter& p : network.parameters()) {
        names.push_back(p.name);
        EXPECT_GE(p.offset, end);
        EXPECT_EQ(p.offset % 16, 0);
        EXPECT_EQ(p.bias, p.name.find("bias") != std::string::npos) << p.name;
        end = p.offset + p.shape.size();
        count += p.shape.size();
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{"embedding.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0",
                                        "rnn.bias_hh_l0", "rnn.weight_ih_l1", "rnn.weight_hh_l1", "rnn.bias_ih_l1",
                                        "rnn.bias_hh_l1", "linear.weight", "linear.bias"}));
    EXPECT_GE(network.parameter_count(), end);
    EXPECT_EQ(network.trainable_count(), count);
    EXPECT_EQ(network.parameter("rnn.weight_ih_l1").shape, (Shape{9, 5}));
    EXPECT_EQ(network.parameter("linear.weight").shape, (Shape{6, 3}));
    expect_refused([&] { network.parameter("rnn.weight_ih_l2"); }, "rnn.weight_ih_l2");
    EXPECT_NE(network.to_string().find("rnn.weight_ih_l0"), std::string::npos);
}

TEST(Network, LossesByTheirDefinition) {
    Network network = make(word_model());
    const std::int64_t steps = 5, batch = 3;
    Feed feed = feed_of(steps, batch);
    feed.ids_of(1)[4] = -3;
    for (std::int64_t begin : {0, 2}) {
        network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
        const HostTensor logits = network.read_value("logits", kStream);
        EXPECT_EQ(logits.shape, (Shape{steps, batch, 6}));
        double sum = 0;
        std::int64_t counted = 0;
        for (std::int64_t r = begin * batch; r < steps * batch; ++r) {
            const std::int32_t target = feed.ids_of(1)[static_cast<std::size_t>(r)];
            if (target < 0) continue;
            double total = 0;
            for (std::int64_t i = 0; i < 6; ++i) total += std::exp(logits.at(r * 6 + i));
            sum += std::log(total) - logits.at(r * 6 + target);
            ++counted;
        }
        const double scale[] = {1, 1 / static_cast<double>(counted), 1.0 / batch};
        for (Mode mode : {Mode::inference, Mode::training})
            for (Reduction reduction : {Reduction::sum, Reduction::mean, Reduction::mean_of_batch}) {
                network.forward(feed.inputs(), mode, nullptr, kStream);
                network.loss(reduction, begin, kStream);
                const LossValue loss = network.read_loss(kStream);
                EXPECT_EQ(loss.counted, counted);
                EXPECT_NEAR(loss.sum, sum, 1e-12 * sum);
                EXPECT_NEAR(loss.value, sum * scale[static_cast<int>(reduction)], 1e-12 * sum);
            }
    }
}

TEST(Network, TellsItsGradientsWhereItIsObserved) {
    Network network = make(word_model());
    Feed feed = feed_of(6, 3, {6, 4, 0});
    const auto backward = [&] {
        network.forward(feed.inputs(), Mode::training, nullptr, kStream);
        network.loss(Reduction::mean, 0, kStream);
        network.backward(false, kStream);
        return network.read_gradients(kStream);
    };
    const std::vector<HostTensor> expected = backward();
    expect_refused([&] { network.gradient_flow(kStream); }, "observe_gradients", ErrorCode::state);
    network.observe_gradients(true);
    const std::vector<HostTensor> observed = backward();
    const GradientFlow flow = network.gradient_flow(kStream);
    ASSERT_EQ(flow.weights.size(), expected.size());
    double squares = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(observed[i].data, expected[i].data) << expected[i].name;
        double sum = 0;
        for (std::int64_t k = 0; k < expected[i].shape.size(); ++k) sum += expected[i].at(k) * expected[i].at(k);
        EXPECT_EQ(flow.weights[i].name, expected[i].name);
        EXPECT_NEAR(flow.weights[i].norm, std::sqrt(sum), 1e-14);
        squares += sum;
    }
    EXPECT_NEAR(flow.norm(), std::sqrt(squares), 1e-12);
    ASSERT_EQ(flow.layers.size(), 2u);
    EXPECT_EQ(flow.layers[0].name, "rnn.l0");
    EXPECT_EQ(flow.layers[0].cell, "lstm");
    EXPECT_EQ(flow.layers[1].gates[1].name, "z");
    EXPECT_EQ(flow.layers[1].rows, (std::vector<std::int64_t>{2, 2, 2, 2, 1, 1}));
    // Of the last layer at the last step: what comes by way of y alone.
    const HostTensor dy = [&] {
        backward();
        return network.read_gradient("y", kStream);
    }();
    double last = 0;
    for (std::int64_t k = 5 * 3 * 3; k < 6 * 3 * 3; ++k) last += dy.at(k) * dy.at(k);
    EXPECT_NEAR(flow.layers[1].norms[5], std::sqrt(last), 1e-14);
    EXPECT_EQ(flow.layers[1].through_time[5], 0);
    EXPECT_GT(flow.layers[1].through_time[0], 0);
    network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
    expect_refused([&] { network.gradient_flow(kStream); }, "backward", ErrorCode::state);
}

TEST(GradientFlow, IsDiagnosed) {
    using Kind = GradientTrouble::Kind;
    const auto layer = [](double decay, double through, double high, GateValue::Kind kind) {
        LayerFlow flow;
        flow.name = "rnn.l0";
        for (int t = 0; t < 20; ++t) {
            flow.rows.push_back(4);
            flow.norms.push_back(std::pow(decay, 19 - t));
            flow.through_time.push_back(flow.norms.back() * through);
        }
        flow.gates.push_back({"g", kind, std::vector<double>(20, 0.05), std::vector<double>(20, high)});
        return flow;
    };
    const auto kinds = [](const LayerFlow& flow) {
        std::vector<Kind> list;
        for (const GradientTrouble& trouble : diagnose({{flow}, {}})) list.push_back(trouble.kind);
        return list;
    };
    constexpr auto sigmoid = GateValue::Kind::sigmoid;
    EXPECT_EQ(kinds(layer(1, 1, 0.8, sigmoid)), (std::vector<Kind>{}));
    EXPECT_EQ(kinds(layer(0.5, 1, 0.8, sigmoid)), (std::vector<Kind>{Kind::vanishing}));
    EXPECT_EQ(kinds(layer(1.6, 1, 0.8, sigmoid)), (std::vector<Kind>{Kind::exploding}));
    EXPECT_EQ(kinds(layer(1, 0.01, 0.8, sigmoid)), (std::vector<Kind>{Kind::isolated}));
    EXPECT_EQ(kinds(layer(1, 1, 0.9, sigmoid)), (std::vector<Kind>{Kind::saturated}));
    EXPECT_EQ(kinds(layer(1, 1, 0.9, GateValue::Kind::relu)), (std::vector<Kind>{Kind::dead}));
    EXPECT_EQ(kinds(layer(HUGE_VAL, 1, 0, sigmoid)), (std::vector<Kind>{Kind::exploding}));
    LayerFlow reverse = layer(2, 1, 0, sigmoid);  // grows towards the first step, which runs last here
    reverse.reverse = true;
    EXPECT_EQ(kinds(reverse), (std::vector<Kind>{Kind::vanishing}));
    EXPECT_EQ(diagnose({{reverse}, {}})[0].steps, 20);
}

TEST(Network, NothingToPredictIsALossOfZero) {
    Network network = make(word_model());
    Feed feed;
    feed.ids({1, 2}, {1, 2}).ids({1, 2}, {-1, -1});
    EXPECT_EQ(loss_of(network, feed, Reduction::mean), 0);
    network.backward(false, kStream);
    for (const HostTensor& g : network.read_gradients(kStream)) EXPECT_EQ(largest_gradient({g}, g.name), 0) << g.name;
}

/// A padded batch is its sequences one by one, whatever the padding holds.
TEST(Network, RaggedBatchIsItsRows) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, 3}, {"target", DType::f64, 2}};
    spec.nodes = {{"wide", LinearSpec{3, 4}, {"x"}, {"w"}},
                  {"rnn", StackSpec{4, {{.hidden = 5}}, Precision::f64(), {}}, {"w"}, {"y"}},
                  {"top", LinearSpec{5, 2}, {"y"}, {"p"}},
                  {"loss", SquaredErrorSpec{}, {"p", "target"}}};
    Network network = make(spec);
    const std::int64_t steps = 4, batch = 3, lengths[] = {4, 1, 3};
    Random random(3);
    std::vector<double> x = random.uniforms(steps * batch * 3), y = random.uniforms(steps * batch * 2);
    for (std::int64_t t = 0; t < steps; ++t)
        for (std::int64_t b = 0; b < batch; ++b)
            if (t >= lengths[b])
                for (auto [array, width] : {std::pair{&x, 3}, {&y, 2}})
                    for (int i = 0; i < width; ++i)
                        (*array)[static_cast<std::size_t>((t * batch + b) * width + i)] =
                            std::numeric_limits<double>::quiet_NaN();
    Feed padded;
    padded.numbers({steps, batch, 3}, x, {4, 1, 3}).numbers({steps, batch, 2}, y);
    const double loss = loss_of(network, padded, Reduction::sum);
    EXPECT_EQ(network.read_loss(kStream).counted, (4 + 1 + 3) * 2);
    network.backward(false, kStream);
    const auto gradients = network.read_gradients(kStream);

    double sum = 0;
    for (std::int64_t b = 0; b < batch; ++b) {
        std::vector<double> row_x, row_y;
        for (std::int64_t t = 0; t < lengths[b]; ++t) {
            for (int i = 0; i < 3; ++i) row_x.push_back(x[static_cast<std::size_t>((t * batch + b) * 3 + i)]);
            for (int i = 0; i < 2; ++i) row_y.push_back(y[static_cast<std::size_t>((t * batch + b) * 2 + i)]);
        }
        Feed row;
        row.numbers({lengths[b], 1, 3}, row_x).numbers({lengths[b], 1, 2}, row_y);
        sum += loss_of(network, row, Reduction::sum);
        network.backward(b > 0, kStream);
    }
    EXPECT_NEAR(loss, sum, 1e-13);
    const auto separate = network.read_gradients(kStream);
    for (std::size_t p = 0; p < gradients.size(); ++p)
        for (std::int64_t i = 0; i < gradients[p].shape.size(); ++i)
            ASSERT_NEAR(gradients[p].at(i), separate[p].at(i), 1e-13) << gradients[p].name;
}

TEST(Network, TokensPastALengthMayBeAnything) {
    Network network = make(word_model());
    Feed clean = feed_of(4, 2, {2, 4}), dirty = feed_of(4, 2, {2, 4});
    for (std::size_t input : {0u, 1u})
        for (std::size_t t : {2u, 3u}) dirty.ids_of(input)[t * 2] = 1 << 30;
    EXPECT_EQ(loss_of(network, clean, Reduction::sum), loss_of(network, dirty, Reduction::sum));
    EXPECT_EQ(network.read_loss(kStream).counted, 6);
}

TEST(Network, CarriedStateMakesPartsAWhole) {
    for (Mode mode : {Mode::inference, Mode::training}) {
        Network network = make(word_model());
        const Feed whole = feed_of(7, 2);
        network.forward(whole.inputs(), Mode::inference, nullptr, kStream);
        const HostTensor expected = network.read_value("logits", kStream);
        NetworkState end = network.make_state(2);
        network.keep_state(7, end, kStream);

        NetworkState state = network.make_state(2);
        std::int64_t done = 0;
        for (std::int64_t steps : {3, 1, 3}) {
            const auto inputs = whole.inputs();
            const auto* from = static_cast<const std::int32_t*>(inputs[0].data.data) + done * 2;
            const std::vector<Sequence> part{{ConstView(from, {steps, 2})}, {}};
            network.forward(part, mode, &state, kStream);
            network.keep_state(steps, state, kStream);
            const HostTensor logits = network.read_value("logits", kStream);
            for (std::int64_t i = 0; i < logits.shape.size(); ++i)
                ASSERT_NEAR(logits.at(i), expected.at(done * 12 + i), 1e-14);
            done += steps;
        }
        const auto a = state.read(kStream), b = end.read(kStream);
        ASSERT_EQ(a.size(), 3u);
        EXPECT_EQ(a[0].name, "rnn.h_l0");
        EXPECT_EQ(a[1].name, "rnn.c_l0");
        EXPECT_EQ(a[2].name, "rnn.h_l1");
        for (std::size_t s = 0; s < a.size(); ++s)
            for (std::int64_t i = 0; i < a[s].shape.size(); ++i) EXPECT_NEAR(a[s].at(i), b[s].at(i), 1e-14);
    }
}

TEST(Network, KeepsTheStateOfAnyStepOfATrainingForward) {
    Network network = make(word_model());
    const Feed feed = feed_of(5, 2);
    NetworkState begin = network.make_state(2), kept = network.make_state(2), expected = network.make_state(2);
    network.forward(feed_of(3, 2).inputs(), Mode::inference, nullptr, kStream);
    network.keep_state(3, begin, kStream);
    for (std::int64_t step : {0, 2, 5}) {
        const auto inputs = feed.inputs();
        if (step > 0) {
            const std::vector<Sequence> part{
                {ConstView(static_cast<const std::int32_t*>(inputs[0].data.data), {step, 2})}, {}};
            network.forward(part, Mode::inference, &begin, kStream);
            network.keep_state(step, expected, kStream);
        }
        network.forward(inputs, Mode::training, &begin, kStream);
        network.keep_state(step, kept, kStream);
        const auto a = kept.read(kStream), b = step == 0 ? begin.read(kStream) : expected.read(kStream);
        for (std::size_t s = 0; s < a.size(); ++s)
            for (std::int64_t i = 0; i < a[s].shape.size(); ++i) EXPECT_NEAR(a[s].at(i), b[s].at(i), 1e-14) << step;
    }
    // A state may be kept over the one the forward began from, and backward still sees the old one.
    network.forward(feed.inputs(), Mode::training, &begin, kStream);
    network.loss(Reduction::sum, 0, kStream);
    network.backward(false, kStream);
    const auto before = network.read_gradients(kStream);
    network.forward(feed.inputs(), Mode::training, &begin, kStream);
    network.loss(Reduction::sum, 0, kStream);
    network.keep_state(5, begin, kStream);
    network.backward(false, kStream);
    const auto after = network.read_gradients(kStream);
    for (std::size_t p = 0; p < before.size(); ++p) EXPECT_EQ(before[p].data, after[p].data) << before[p].name;
}

/// Who writes the next input himself, on the device, runs as one who feeds it.
TEST(Network, ReadsInInferenceWhatIsWrittenToItsInput) {
    Network network = make(word_model());
    const std::vector<std::int32_t> ids = random_ids(3, 5 * 2, 6);
    const auto fed = [&](std::int64_t t) { return std::vector<Sequence>{{ConstView(ids.data() + 2 * t, {1, 2})}, {}}; };
    NetworkState state = network.make_state(2);
    std::vector<HostTensor> expected;
    for (std::int64_t t = 0; t < 5; ++t) {
        network.forward(fed(t), Mode::inference, &state, kStream);
        network.keep_state(1, state, kStream);
        expected.push_back(network.read_value("logits", kStream));
    }
    const auto last = state.read(kStream);
    state.zero(kStream);
    network.feed(fed(0), Mode::inference, kStream);
    const View tokens = network.input("tokens");
    EXPECT_EQ(tokens.shape, (Shape{1, 2}));
    EXPECT_EQ(tokens.dtype, DType::i32);
    for (std::int64_t t = 0; t < 5; ++t) {
        std::copy_n(ids.data() + 2 * t, 2, static_cast<std::int32_t*>(tokens.data));
        network.forward(&state, kStream);
        network.keep_state(1, state, kStream);
        EXPECT_EQ(network.read_value("logits", kStream).data, expected[static_cast<std::size_t>(t)].data) << t;
    }
    const auto again = state.read(kStream);
    for (std::size_t s = 0; s < last.size(); ++s) EXPECT_EQ(again[s].data, last[s].data) << last[s].name;

    expect_refused([&] { network.input("targets"); }, "targets");
    network.feed(feed_of(1, 2).inputs(), Mode::training, kStream);
    network.forward(nullptr, kStream);
    expect_refused([&] { network.forward(nullptr, kStream); }, "must follow a feed", ErrorCode::state);
    expect_refused([&] { network.input("targets"); }, "no target");
    expect_refused([] { make(word_model()).input("tokens"); }, "must follow a feed", ErrorCode::state);
}

TEST(Network, ForgetsNothingBetweenExtents) {
    Network network = make(word_model());
    const Feed small = feed_of(3, 2), large = feed_of(40, 9);
    const double a = loss_of(network, small, Reduction::mean), b = loss_of(network, large, Reduction::mean);
    EXPECT_EQ(loss_of(network, small, Reduction::mean), a);
    EXPECT_EQ(loss_of(network, large, Reduction::mean), b);
}

TEST(Network, PlansExtentsAnewThatItForgot) {
    Network network = make(word_model());
    const double first = loss_of(network, feed_of(3, 2), Reduction::mean);
    for (std::int64_t steps = 1; steps <= 150; ++steps) loss_of(network, feed_of(steps, 1), Reduction::mean);
    EXPECT_EQ(loss_of(network, feed_of(3, 2), Reduction::mean), first);
}

TEST(Network, ParametersTravelByName) {
    Network from = make(word_model()), to(Device::cpu(1), word_model());
    auto tensors = from.read_parameters(kStream);
    std::reverse(tensors.begin(), tensors.end());
    tensors.emplace_back("something.else", DType::f32, Shape{3});
    to.write_parameters(tensors, kStream);
    EXPECT_EQ(loss_of(from, feed_of(3, 2), Reduction::sum), loss_of(to, feed_of(3, 2), Reduction::sum));
    tensors.pop_back();
    tensors[3].shape = {1};
    expect_refused([&] { to.write_parameters(tensors, kStream); }, tensors[3].name);
    tensors.erase(tensors.begin() + 3);
    expect_refused([&] { to.write_parameters(tensors, kStream); }, "missing");
}

TEST(Network, WritingParametersByHandNeedsAWord) {
    Network network = make(word_model());
    const double before = loss_of(network, feed_of(3, 2), Reduction::sum);
    auto* p = static_cast<double*>(network.parameter_array().data);
    const NetworkParameter& w = network.parameter("rnn.weight_hh_l0");
    for (std::int64_t i = 0; i < w.shape.size(); ++i) p[w.offset + i] *= 3;
    network.parameters_changed();
    EXPECT_NE(loss_of(network, feed_of(3, 2), Reduction::sum), before);
}

TEST(Network, DropoutIsForTrainingAndFollowsSeedAndStep) {
    NetworkSpec spec = word_model();
    spec.nodes[2].inputs = {"dropped"};
    spec.nodes.insert(spec.nodes.begin() + 2, {"dropout", DropoutSpec{0.5}, {"y"}, {"dropped"}});
    Network network = make(spec);
    const Feed feed = feed_of(6, 4);
    const auto training = [&](RandomState random) {
        network.set_random(random, kStream);
        return loss_of(network, feed, Reduction::sum);
    };
    const double a = training({1, 1});
    EXPECT_EQ(training({1, 1}), a);
    EXPECT_NE(training({1, 2}), a);
    EXPECT_NE(training({2, 1}), a);
    Network plain = make(word_model());
    plain.write_parameters(network.read_parameters(kStream), kStream);
    const auto inference = [&](Network& n) {
        n.forward(feed.inputs(), Mode::inference, nullptr, kStream);
        n.loss(Reduction::sum, 0, kStream);
        return n.read_loss(kStream).sum;
    };
    EXPECT_EQ(inference(network), inference(plain));
}

TEST(Network, TwoStacksDrawTheirOwnMasks) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, 32}, {"t", DType::f64, 32}, {"u", DType::f64, 32}};
    spec.nodes = {{"a", DropoutSpec{0.5}, {"x"}, {"p"}},
                  {"b", DropoutSpec{0.5}, {"x"}, {"q"}},
                  {"la", SquaredErrorSpec{}, {"p", "t"}},
                  {"lb", SquaredErrorSpec{}, {"q", "u"}}};
    Network network(Device::cpu(1), spec);
    network.set_random({1, 1}, kStream);
    Feed feed;
    feed.numbers({4, 8, 32}, std::vector<double>(1024, 1.0)).absent().absent();
    network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    const HostTensor p = network.read_value("p", kStream), q = network.read_value("q", kStream);
    int equal = 0;
    for (std::int64_t i = 0; i < 1024; ++i) equal += p.at(i) == q.at(i);
    EXPECT_NEAR(equal, 512, 5 * 16);
}

TEST(Network, CallsComeInOrder) {
    Network network = make(word_model());
    const Feed feed = feed_of(3, 2);
    const auto state = ErrorCode::state;
    const auto loss = [&] { network.loss(Reduction::mean, 0, kStream); };
    const auto backward = [&] { network.backward(false, kStream); };
    expect_refused(loss, "forward", state);
    expect_refused(backward, "training forward", state);
    network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
    expect_refused(backward, "training forward", state);
    loss();
    expect_refused(backward, "training forward", state);
    expect_refused(loss, "forward", state);
    network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    expect_refused(backward, "training forward", state);
    EXPECT_NO_THROW(network.value("logits"));
    loss();
    expect_refused([&] { network.value("logits"); }, "logits", state);  // its gradient took its place
    EXPECT_NO_THROW(network.value("y"));
    backward();
    expect_refused(backward, "training forward", state);
    EXPECT_NO_THROW(network.gradient("logits"));
    EXPECT_NO_THROW(network.gradient("x"));
    expect_refused([&] { network.gradient("tokens"); }, "tokens", state);
    expect_refused([&] { network.value("nothing"); }, "nothing");
    Feed blind;
    blind.ids({3, 2}, random_ids(1, 6, 6)).absent();
    network.forward(blind.inputs(), Mode::training, nullptr, kStream);
    expect_refused(loss, "no target", state);
}

TEST(Network, RefusesInputsThatDoNotFit) {
    Network network = make(word_model());
    const auto run = [&](const Feed& feed) { network.forward(feed.inputs(), Mode::training, nullptr, kStream); };
    const auto ids = [](Shape shape, std::vector<std::int32_t> tokens, std::vector<std::int32_t> targets,
                        std::vector<std::int64_t> lengths = {}) {
        Feed feed;
        feed.ids(shape, std::move(tokens), lengths).ids(shape, std::move(targets));
        return feed;
    };
    expect_refused([&] { run(ids({1, 2}, {0, 6}, {0, 0})); }, "tokens[1] = 6");
    expect_refused([&] { run(ids({1, 2}, {-1, 0}, {0, 0})); }, "tokens[0] = -1");
    expect_refused([&] { run(ids({1, 2}, {0, 0}, {0, 6})); }, "targets[1] = 6");
    expect_refused([&] { run(ids({1, 2}, {0, 0}, {0, 0}, {2, 0})); }, "tokens.lengths[0] = 2");
    expect_refused([&] { run(ids({1, 2}, {0, 0}, {0, 0}, {1})); }, "2 lengths");
    expect_refused([&] { run(ids({2}, {0, 0}, {0, 0})); }, "rnn");
    expect_refused([&] { run(ids({0, 2}, {0}, {0})); }, "empty");
    expect_refused([&] { run(Feed().ids({1, 2}, {0, 0})); }, "inputs");
    expect_refused([&] { run(Feed().absent().ids({1, 1}, {0})); }, "tokens");
    expect_refused([&] { run(Feed().ids({1, 2}, {0, 0}).ids({1, 3}, {0, 0, 0})); }, "loss: targets");
    expect_refused([&] { run(Feed().numbers({1, 2}, {0, 0}).ids({1, 2}, {0, 0})); }, "tokens = f64");
    const Feed fits = ids({1, 2}, {0, 0}, {0, 0});
    NetworkState state = network.make_state(3);
    expect_refused([&] { network.forward(fits.inputs(), Mode::training, &state, kStream); }, "2 rows");
    run(fits);
    expect_refused([&] { network.keep_state(1, state, kStream); }, "2 rows");
    expect_refused([&] { network.loss(Reduction::mean, 1, kStream); }, "begin = 1");
    EXPECT_NO_THROW(run(fits));
}

TEST(Network, KeepsNoStateOfAForwardThatDidNotRun) {
    Network network = make(word_model());
    const Feed feed = feed_of(4, 2);
    NetworkState state = network.make_state(2);
    const auto refused = [&](const char* why) {
        expect_refused([&] { network.keep_state(4, state, kStream); }, why, ErrorCode::state);
    };
    refused("must follow a forward");
    network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    EXPECT_NO_THROW(network.keep_state(4, state, kStream));
    network.feed(feed.inputs(), Mode::training, kStream);
    refused("must follow a forward");
    network.replayed();  // of a recording: where its states lie is not known here
    refused("must be recorded with the forward");
    network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    EXPECT_NO_THROW(network.keep_state(4, state, kStream));

    NetworkState other = network.make_state(2);
    network.forward(feed.inputs(), Mode::inference, &state, kStream);
    EXPECT_NO_THROW(network.keep_state(0, other, kStream));
    EXPECT_EQ(other.read(kStream)[0].data, state.read(kStream)[0].data);
    network.keep_state(4, state, kStream);  // over what it began from
    expect_refused([&] { network.keep_state(0, other, kStream); }, "overwritten", ErrorCode::state);
}

TEST(Network, RefusesDescriptionsThatMakeNoSense) {
    const auto refused = [](const std::string& part, auto change) {
        NetworkSpec spec = word_model();
        change(spec);
        expect_refused([&] { validate(spec); }, part);
        expect_refused([&] { Network(Device::cpu(1), spec); }, part);
    };
    refused("nodes", [](auto& s) { s.nodes.clear(); });
    refused("embedding: classes = 0", [](auto& s) { s.nodes[0].module = EmbeddingSpec{0, 4}; });
    refused("linear: input = 0", [](auto& s) { s.nodes[2].module = LinearSpec{0, 4}; });
    refused("linear: rate = 1", [](auto& s) { s.nodes[2].module = DropoutSpec{1}; });
    refused("linear: rate = nan", [](auto& s) { s.nodes[2].module = DropoutSpec{std::nan("")}; });
    refused("rnn: precision = f32", [](auto& s) { std::get<StackSpec>(s.nodes[1].module).precision = {}; });
    refused("rnn: layers[1].hidden = 0", [](auto& s) { std::get<StackSpec>(s.nodes[1].module).layers[1].hidden = 0; });
    refused("value = z", [](auto& s) { s.nodes[1].inputs = {"z"}; });
    refused("value = logits", [](auto& s) { s.nodes[0].inputs = {"logits"}; });  // made later
    refused("node = rnn", [](auto& s) { s.nodes[2].name = "rnn"; });
    refused("node = a.b", [](auto& s) { s.nodes[2].name = "a.b"; });
    refused("output = x", [](auto& s) { s.nodes[1].outputs = {"x"}; });
    refused("outputs", [](auto& s) { s.nodes[1].outputs = {}; });
    refused("outputs", [](auto& s) { s.nodes[2].outputs = {"logits", "more"}; });
    refused("inputs", [](auto& s) { s.nodes[3].inputs = {"logits"}; });
    refused("input = tokens", [](auto& s) { s.inputs[1].name = "tokens"; });
    refused("target = y", [](auto& s) { s.nodes[3].inputs[1] = "y"; });
    refused("input = tokens", [](auto& s) { s.nodes[3].inputs[1] = "tokens"; });
    refused("tokens.width = 2", [](auto& s) { s.inputs[0].width = 2; });
    refused("ties = linear.none", [](auto& s) { s.ties = {{"linear.none", "embedding.weight"}}; });
    refused("linear.weight = [6, 3]", [](auto& s) { s.ties = {{"linear.weight", "embedding.weight"}}; });
    refused("rnn.weight_ih_l0", [](auto& s) { s.ties = {{"rnn.weight_ih_l0", "embedding.weight"}}; });
    refused("precision = f64", [](auto& s) { s.precision = Precision::bf16(); });  // the stack's is another
}

TEST(Network, OfSixteenBitsIsRefusedByTheCpu) {
    for (const Precision precision : {Precision::bf16(), Precision::f16()}) {
        const NetworkSpec spec = network_spec({.classes = 5, .hidden = 4, .precision = precision});
        EXPECT_NO_THROW(validate(spec));
        try {
            Network(Device::cpu(1), spec);
            ADD_FAILURE() << "not refused";
        } catch (const Error& e) {
            EXPECT_EQ(e.code(), ErrorCode::unsupported) << e.what();
        }
    }
}

}  // namespace
}  // namespace rondo
