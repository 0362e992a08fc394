/// CTC: against the sum over every path, against differences, and what it refuses.
#include <limits>

#include "model/gradient_check.hpp"

namespace rondo {
namespace {

using namespace test;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

NetworkSpec ctc_network(std::int64_t classes, std::int32_t blank, std::int64_t width = 3) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, width, true}, {"labels"}};
    spec.nodes = {{"linear", LinearSpec{width, classes}, {"x"}, {"logits"}},
                  {"loss", CtcSpec{blank}, {"logits", "labels"}}};
    return spec;
}

Network make_ctc(std::int64_t classes, std::int32_t blank) {
    Network network(Device::cpu(2), ctc_network(classes, blank));
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 1, .seed = 3}, kStream);
    return network;
}

Feed ctc_feed(std::int64_t steps, std::vector<std::vector<std::int32_t>> labels, std::vector<std::int64_t> lengths,
              double filler = 0) {
    const auto batch = static_cast<std::int64_t>(labels.size());
    std::size_t most = 1;
    for (const auto& row : labels) most = std::max(most, row.size());
    std::vector<std::int32_t> ids(most * labels.size(), -1);
    for (std::size_t b = 0; b < labels.size(); ++b)
        for (std::size_t u = 0; u < labels[b].size(); ++u) ids[u * labels.size() + b] = labels[b][u];
    Random random(17);
    std::vector<double> x = random.uniforms(steps * batch * 3);
    for (std::size_t b = 0; b < lengths.size(); ++b)
        for (auto t = static_cast<std::size_t>(lengths[b]); t < static_cast<std::size_t>(steps); ++t)
            for (std::size_t i = 0; i < 3; ++i) x[(t * labels.size() + b) * 3 + i] = filler;
    Feed feed;
    feed.numbers({steps, batch, 3}, x, lengths).ids({static_cast<std::int64_t>(most), batch}, ids);
    return feed;
}

/// Σ over all classes^steps paths that collapse to the labels.
double probability(const HostTensor& logits, std::int64_t row, std::int64_t steps, std::int32_t blank,
                   const std::vector<std::int32_t>& labels) {
    const std::int64_t batch = logits.shape[1], classes = logits.shape[2];
    std::vector<std::vector<double>> p;
    for (std::int64_t t = 0; t < steps; ++t) {
        auto& step = p.emplace_back();
        double sum = 0;
        for (std::int64_t c = 0; c < classes; ++c) {
            step.push_back(std::exp(logits.at((t * batch + row) * classes + c)));
            sum += step.back();
        }
        for (double& v : step) v /= sum;
    }
    double total = 0;
    std::vector<std::int64_t> path(static_cast<std::size_t>(steps), 0);
    while (true) {
        std::vector<std::int32_t> collapsed;
        double product = 1;
        for (std::size_t t = 0; t < path.size(); ++t) {
            product *= p[t][static_cast<std::size_t>(path[t])];
            if (path[t] != blank && (t == 0 || path[t] != path[t - 1]))
                collapsed.push_back(static_cast<std::int32_t>(path[t]));
        }
        if (collapsed == labels) total += product;
        std::size_t t = 0;
        while (t < path.size() && ++path[t] == classes) path[t++] = 0;
        if (t == path.size()) return total;
    }
}

TEST(Ctc, IsTheSumOverAllPaths) {
    const std::vector<std::vector<std::vector<std::int32_t>>> batches{{{1, 2}, {2, 2}, {}, {3}},
                                                                      {{3, 1, 3}, {1, 1, 2}, {2}, {1, 2, 3}}};
    for (const std::int32_t blank : {0, 4})
        for (const auto& labels : batches)
            for (const std::vector<std::int64_t>& lengths :
                 {std::vector<std::int64_t>{}, std::vector<std::int64_t>{5, 4, 1, 3}}) {
                Network network = make_ctc(5, blank);
                const Feed feed = ctc_feed(5, labels, lengths);
                network.forward(feed.inputs(), Mode::inference, nullptr, kStream);
                const HostTensor logits = network.read_value("logits", kStream);
                network.loss(Reduction::sum, 0, kStream);
                double expected = 0;
                std::int64_t count = 0;
                for (std::size_t b = 0; b < labels.size(); ++b) {
                    expected -= std::log(probability(logits, static_cast<std::int64_t>(b),
                                                     lengths.empty() ? 5 : lengths[b], blank, labels[b]));
                    count += static_cast<std::int64_t>(labels[b].size());
                }
                const LossValue loss = network.read_loss(kStream);
                EXPECT_NEAR(loss.value, expected, 1e-12 * expected);
                EXPECT_EQ(loss.counted, count);
            }
}

TEST(Ctc, HasItsGradients) {
    for (const std::int32_t blank : {0, 3})
        for (const std::vector<std::int64_t>& lengths :
             {std::vector<std::int64_t>{}, std::vector<std::int64_t>{7, 3, 5, 0}}) {
            Network network = make_ctc(4, blank);
            Feed feed = ctc_feed(7, {{1, 2, 1}, {2, 2}, {1}, {}}, lengths);
            for (const Reduction reduction : {Reduction::mean, Reduction::mean_of_batch})
                check_parameter_gradients(network, feed, reduction);
            check_input_gradient(network, feed, 0, Reduction::sum, 1e-8);
        }
}

/// A long row, whose probability is far below the smallest double.
TEST(Ctc, LongRowsDoNotUnderflow) {
    NetworkSpec spec = ctc_network(40, 0);
    Network network(Device::cpu(2), spec);
    network.initialise({.kind = InitSpec::Kind::uniform, .range = 1, .seed = 3}, kStream);
    std::vector<std::int32_t> labels;
    for (std::int32_t u = 0; u < 80; ++u) labels.push_back(1 + u * 7 % 39);
    Feed feed = ctc_feed(330, {labels}, {});
    network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    network.loss(Reduction::sum, 0, kStream);
    const double loss = network.read_loss(kStream).value;
    EXPECT_GT(loss, 745);
    EXPECT_LT(loss, 330 * std::log(40.0) * 1.5);
    check_parameter_gradients(network, feed, Reduction::mean);
}

TEST(Ctc, IgnoresWhatLiesPastALength) {
    std::vector<std::vector<std::byte>> gradients;
    for (const double filler : {0.0, kNan}) {
        Network network = make_ctc(4, 0);
        loss_of(network, ctc_feed(6, {{1, 2}, {3}}, {6, 2}, filler), Reduction::sum);
        network.backward(false, kStream);
        gradients.push_back(network.read_gradients(kStream)[0].data);
    }
    EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(Ctc, RefusesWhatCannotBeAligned) {
    const auto run = [](const Feed& feed) {
        Network network = make_ctc(4, 0);
        network.forward(feed.inputs(), Mode::training, nullptr, kStream);
    };
    EXPECT_NO_THROW(run(ctc_feed(3, {{1, 1}}, {})));
    EXPECT_THROW(run(ctc_feed(2, {{1, 1}}, {})), Error);   // a blank between equals
    EXPECT_THROW(run(ctc_feed(5, {{1, 2}}, {1})), Error);  // row shorter than its labels
    EXPECT_THROW(run(ctc_feed(5, {{1, 0}}, {})), Error);   // the blank is no label
    EXPECT_THROW(run(ctc_feed(5, {{4}}, {})), Error);      // no such class
    EXPECT_THROW(run(ctc_feed(5, {{-1, 2}}, {})), Error);  // a gap
    EXPECT_THROW(validate(ctc_network(4, -1)), Error);
    Network network = make_ctc(4, 0);
    network.forward(ctc_feed(5, {{1}}, {}).inputs(), Mode::training, nullptr, kStream);
    EXPECT_THROW(network.loss(Reduction::sum, 2, kStream), Error);
    EXPECT_THROW(make_ctc(4, 4).forward(ctc_feed(5, {{1}}, {}).inputs(), Mode::training, nullptr, kStream), Error);
}

}  // namespace
}  // namespace rondo
