/// Tasks that only recurrence can solve, learned within seconds on one core.
#include <cmath>

#include "model/gradient_check.hpp"
#include "rondo/generator.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"

namespace rondo {
namespace {

using namespace test;

/// Adding problem (S. Hochreiter, J. Schmidhuber, 1997): the sum of two marked numbers of a sequence. Always saying 1
/// has a mean squared error of 1/6.
class Adding {
public:
    Adding(std::int64_t steps, std::int64_t batch, std::uint64_t seed) : steps_(steps), batch_(batch), random_(seed) {
        x_.resize(static_cast<std::size_t>(steps * batch * 2));
        t_.resize(static_cast<std::size_t>(batch));
    }

    std::vector<Sequence> draw() {
        for (std::int64_t b = 0; b < batch_; ++b) {
            const std::int64_t first = random_.below(steps_ / 2),
                               second = steps_ / 2 + random_.below(steps_ - steps_ / 2);
            float sum = 0;
            for (std::int64_t t = 0; t < steps_; ++t) {
                const auto at = static_cast<std::size_t>((t * batch_ + b) * 2);
                const bool marked = t == first || t == second;
                x_[at] = static_cast<float>((random_.uniform() + 1) / 2);
                x_[at + 1] = marked ? 1.0f : 0.0f;
                if (marked) sum += x_[at];
            }
            t_[static_cast<std::size_t>(b)] = sum;
        }
        return {{ConstView(x_.data(), {steps_, batch_, 2})}, {ConstView(t_.data(), {batch_, 1})}};
    }

private:
    std::int64_t steps_, batch_;
    Random random_;
    std::vector<float> x_, t_;
};

NetworkSpec adding_network(const LayerSpec& layer) {
    NetworkSpec spec;
    spec.inputs = {{"x", DType::f32, 2}, {"sum", DType::f32, 1}};
    spec.nodes = {{"rnn", StackSpec{2, {layer}, {}, {}}, {"x"}, {"", "h"}},
                  {"linear", LinearSpec{layer.hidden, 1}, {"h"}, {"guess"}},
                  {"loss", SquaredErrorSpec{}, {"guess", "sum"}}};
    return spec;
}

double adding_error(const LayerSpec& layer, int updates) {
    const std::int64_t steps = 40;
    Network network(Device::cpu(1), adding_network(layer));
    network.initialise({.seed = 1}, kStream);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.01, .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    kStream);
    Adding task(steps, 32, 7), fresh(steps, 1000, 8);
    for (int i = 0; i < updates; ++i) trainer.step(task.draw());
    network.forward(fresh.draw(), Mode::inference, nullptr, kStream);
    network.loss(Reduction::mean, 0, kStream);
    return network.read_loss(kStream).value;
}

TEST(SlowTasks, AddingProblem) {
    for (const LayerSpec& layer : {LayerSpec{.hidden = 24}, LayerSpec{.cell = "gru", .hidden = 24}}) {
        const double error = adding_error(layer, 1000);
        std::printf("adding problem, T = 40, %s 24: mean squared error %.5f (constant guess 0.1667)\n",
                    layer.cell.c_str(), error);
        EXPECT_LT(error, 0.02) << layer.cell;
    }
}

/// Copy memory: ten symbols of eight kinds, `blanks` blanks, a mark, ten places to repeat them. Without a memory the
/// best mean cross-entropy is 10·ln 8 / (blanks + 20).
TEST(SlowTasks, CopyMemory) {
    const std::int64_t symbols = 10, blanks = 10, steps = blanks + 2 * symbols, batch = 16;
    constexpr std::int32_t kBlank = 8, kMark = 9;
    Network network(Device::cpu(1), network_spec({.classes = 10, .embedding = 16, .cell = "gru", .hidden = 128}));
    network.initialise({.seed = 1}, kStream);
    const int updates = 2200;
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.01, .warmup = 50, .total = updates},
                     .clip = {ClipSpec::Kind::norm, 1}},
                    kStream);
    Random random(3);
    std::vector<std::int32_t> x, y;
    const auto draw = [&]() -> std::vector<Sequence> {
        x.assign(static_cast<std::size_t>(steps * batch), kBlank);
        y.assign(static_cast<std::size_t>(steps * batch), kBlank);
        for (std::int64_t b = 0; b < batch; ++b) {
            for (std::int64_t t = 0; t < symbols; ++t) {
                const auto symbol = static_cast<std::int32_t>(random.below(8));
                x[static_cast<std::size_t>(t * batch + b)] = symbol;
                y[static_cast<std::size_t>((steps - symbols + t) * batch + b)] = symbol;
            }
            x[static_cast<std::size_t>((steps - symbols - 1) * batch + b)] = kMark;
        }
        return {{ConstView(x.data(), {steps, batch})}, {ConstView(y.data(), {steps, batch})}};
    };
    for (int i = 0; i < updates; ++i) trainer.step(draw());
    network.forward(draw(), Mode::inference, nullptr, kStream);
    network.loss(Reduction::mean, 0, kStream);
    const double loss = network.read_loss(kStream).value;
    const double memoryless = 10 * std::log(8.0) / static_cast<double>(blanks + 20);
    std::printf("copy memory, %d blanks, gru 128: cross-entropy %.5f (without memory %.4f)\n", static_cast<int>(blanks),
                loss, memoryless);
    EXPECT_LT(loss, memoryless / 3);
}

/// A small text is learned by heart, and comes back out.
TEST(SlowTasks, LearnsATextByHeart) {
    const std::string text =
        "a loop that carries what it saw, from step to step, and learns to draw the next of all it read before.\n";
    std::string repeated;
    for (int i = 0; i < 8; ++i) repeated += text;
    const Vocabulary vocabulary = Vocabulary::build(text, Vocabulary::Kind::characters);
    Network network(Device::cpu(1),
                    network_spec({.classes = vocabulary.size(), .embedding = 16, .hidden = 64, .layers = 1}));
    network.initialise({.forget_bias = 1, .seed = 1}, kStream);
    const TokenStreams streams(vocabulary.encode(repeated), 4);
    Trainer trainer(network,
                    {.optimizer = {.rule = OptimizerSpec::Rule::adam},
                     .schedule = {.rate = 0.01},
                     .clip = {ClipSpec::Kind::norm, 1},
                     .window = 16,
                     .history = 24},
                    kStream);
    for (int epoch = 0; epoch < 40; ++epoch)
        while (!trainer.step(streams).epoch_end) {
        }
    const Evaluation result = evaluate(network, streams, 50, kStream);
    std::printf("a text by heart: perplexity %.4f\n", result.perplexity());
    EXPECT_LT(result.perplexity(), 1.2);
    Generator generator(network, {.temperature = 0}, kStream);
    generator.feed(vocabulary.encode(text + text.substr(0, 20)));
    std::vector<std::int32_t> ids;
    for (std::size_t i = 20; i < text.size(); ++i) ids.push_back(generator.next());
    EXPECT_EQ(vocabulary.decode(ids), text.substr(20));
}

}  // namespace
}  // namespace rondo
