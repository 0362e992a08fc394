/// The training step: truncated BPTT against what it should be, skipped steps, streams, resuming.
#include "rondo/trainer.hpp"

#include <array>
#include <limits>

#include "model/gradient_check.hpp"
#include "rondo/language_model.hpp"
#include "scheduler/windows.hpp"

namespace rondo {
namespace {

using namespace test;

constexpr std::int64_t kClasses = 9;

LanguageModelSpec model(Precision precision = Precision::f64(), double dropout = 0) {
    return {.classes = kClasses, .embedding = 5, .hidden = 7, .layers = 2, .dropout = dropout, .precision = precision};
}

Network make(const LanguageModelSpec& spec) {
    Network network(Device::cpu(1), network_spec(spec));
    network.initialise({.seed = 2}, kStream);
    return network;
}

Feed feed_of(std::int64_t steps, std::int64_t batch) {
    Feed feed;
    feed.ids({steps, batch}, random_ids(1, steps * batch, kClasses))
        .ids({steps, batch}, random_ids(2, steps * batch, kClasses));
    return feed;
}

/// Steps [begin, end) of a batch of ids.
std::vector<Sequence> slice(const std::vector<Sequence>& whole, std::int64_t begin, std::int64_t end) {
    std::vector<Sequence> part;
    for (const Sequence& s : whole) {
        const std::int64_t batch = s.data.shape[1];
        part.push_back(
            {ConstView(static_cast<const std::int32_t*>(s.data.data) + begin * batch, {end - begin, batch})});
    }
    return part;
}

void expect_near(const Network& a, const Network& b, double tolerance) {
    const auto x = a.read_parameters(kStream), y = b.read_parameters(kStream);
    for (std::size_t p = 0; p < x.size(); ++p)
        for (std::int64_t i = 0; i < x[p].shape.size(); ++i)
            ASSERT_NEAR(x[p].at(i), y[p].at(i), tolerance) << x[p].name << " " << i;
}

/// p -= rate·dp, by hand.
void descend(Network& network, double rate) {
    auto* p = static_cast<double*>(network.parameter_array().data);
    const auto* g = static_cast<const double*>(network.gradient_array().data);
    for (std::int64_t i = 0; i < network.parameter_count(); ++i) p[i] -= rate * g[i];
    network.parameters_changed();
}

TEST(TruncatedBptt, AWindowAsLongAsTheSequenceIsBptt) {
    for (std::int64_t window : {6, 50}) {
        Network a = make(model()), b = make(model());
        const Feed feed = feed_of(6, 3);
        Trainer truncated(a, {.window = window}, kStream), plain(b, {}, kStream);
        const StepMetrics x = truncated.sequence(feed.inputs(), nullptr), y = plain.step(feed.inputs());
        EXPECT_EQ(x.loss, y.loss);
        EXPECT_EQ(x.gradient_norm, y.gradient_norm);
        EXPECT_GT(x.gradient_norm, 0);
        expect_near(a, b, 0);
    }
}

/// Every window by hand: the state to begin with from an inference forward with the weights of the time, the gradient
/// of the newest losses with that state held.
TEST(TruncatedBptt, IsItsExplicitRecomputation) {
    const std::int64_t steps = 11;
    const double rate = 0.5;
    for (auto [k1, k2] : {std::pair{3, 3}, {3, 5}, {2, 7}, {1, 4}, {4, 11}, {4, 30}}) {
        Network a = make(model()), b = make(model());
        const Feed feed = feed_of(steps, 3);
        const auto whole = feed.inputs();
        Trainer trainer(a, {.schedule = {.rate = rate}, .window = k1, .history = k2}, kStream);
        std::vector<StepMetrics> metrics;
        trainer.sequence(whole, [&](const StepMetrics& m) { metrics.push_back(m); });

        const std::vector<Window> windows = truncation_windows(steps, k1, k2);
        ASSERT_EQ(metrics.size(), windows.size());
        NetworkState state = b.make_state(3);
        for (std::size_t w = 0; w < windows.size(); ++w) {
            const Window& now = windows[w];
            NetworkState next = b.make_state(3);
            if (w + 1 < windows.size()) {
                next.write(state.read(kStream), kStream);
                if (windows[w + 1].begin > now.begin) {
                    b.forward(slice(whole, now.begin, windows[w + 1].begin), Mode::inference, &state, kStream);
                    b.keep_state(windows[w + 1].begin - now.begin, next, kStream);
                }
            }
            b.forward(slice(whole, now.begin, now.end), Mode::training, &state, kStream);
            b.loss(Reduction::mean, now.loss_begin - now.begin, kStream);
            EXPECT_NEAR(metrics[w].loss, b.read_loss(kStream).value, 1e-13);
            EXPECT_EQ(metrics[w].tokens, (now.end - now.loss_begin) * 3);
            b.backward(false, kStream);
            descend(b, rate);
            state = std::move(next);
        }
        expect_near(a, b, 1e-13);
    }
}

/// With k2 < T a gradient is that of BPTT cut k2 steps back: what flows further changes nothing.
TEST(TruncatedBptt, CutsTheGradientWhereItSays) {
    const std::int64_t steps = 8;
    const Feed feed = feed_of(steps, 2);
    const auto gradient_norms = [&](std::int64_t history) {
        Network network = make(model());
        Trainer trainer(network, {.schedule = {.rate = 0}, .window = 2, .history = history}, kStream);
        std::vector<double> norms;
        trainer.sequence(feed.inputs(), [&](const StepMetrics& m) { norms.push_back(m.gradient_norm); });
        return norms;
    };
    const auto shortest = gradient_norms(2), longer = gradient_norms(4), whole = gradient_norms(8);
    ASSERT_EQ(whole.size(), 4u);
    EXPECT_EQ(shortest[0], whole[0]);
    EXPECT_EQ(longer[1], whole[1]);    // two windows reach back four steps
    EXPECT_NE(shortest[1], whole[1]);  // one does not
    EXPECT_NE(longer[2], whole[2]);
    // Without updates the losses do not depend on the cut.
    Network network = make(model());
    NetworkState state = network.make_state(2);
    network.forward(slice(feed.inputs(), 0, 2), Mode::inference, nullptr, kStream);
    network.keep_state(2, state, kStream);
    check_parameter_gradients(
        network,
        [&] {
            Feed part;
            const auto inputs = slice(feed.inputs(), 2, 6);
            for (const Sequence& s : inputs) {
                const auto* ids = static_cast<const std::int32_t*>(s.data.data);
                part.ids(s.data.shape, {ids, ids + s.data.shape.size()});
            }
            return part;
        }(),
        Reduction::mean, 2, &state);
    double sum = 0;
    for (const HostTensor& g : network.read_gradients(kStream))
        for (double v : g.as<double>()) sum += v * v;
    EXPECT_NEAR(std::sqrt(sum), longer[2], 1e-12);
}

TEST(Trainer, RowsMayEndBeforeTheSequence) {
    Network a = make(model()), b = make(model());
    Feed feed;
    feed.ids({6, 3}, random_ids(1, 18, kClasses), {6, 2, 4}).ids({6, 3}, random_ids(2, 18, kClasses));
    Trainer truncated(a, {.schedule = {.rate = 0}, .reduction = Reduction::sum, .window = 2}, kStream);
    Trainer plain(b, {.schedule = {.rate = 0}, .reduction = Reduction::sum}, kStream);
    double sum = 0;
    std::int64_t tokens = 0;
    truncated.sequence(feed.inputs(), [&](const StepMetrics& m) {
        sum += m.loss_sum;
        tokens += m.tokens;
    });
    const StepMetrics whole = plain.step(feed.inputs());
    EXPECT_EQ(tokens, 12);
    EXPECT_EQ(whole.tokens, 12);
    EXPECT_NEAR(sum, whole.loss_sum, 1e-12);
}

TEST(Trainer, ReductionsScaleTheGradient) {
    const Feed feed = feed_of(5, 3);
    std::vector<double> norms, losses;
    for (Reduction reduction : {Reduction::sum, Reduction::mean, Reduction::mean_of_batch}) {
        Network network = make(model());
        const StepMetrics m = Trainer(network, {.reduction = reduction}, kStream).step(feed.inputs());
        norms.push_back(m.gradient_norm);
        losses.push_back(m.loss);
        EXPECT_NEAR(m.loss_sum, losses[0], 1e-12);
    }
    for (const auto& list : {norms, losses}) {
        EXPECT_NEAR(list[1], list[0] / 15, 1e-12);
        EXPECT_NEAR(list[2], list[0] / 3, 1e-12);
    }
}

TEST(Trainer, ClipsAfterReducing) {
    const Feed feed = feed_of(5, 3);
    Network a = make(model()), b = make(model());
    const StepMetrics free = Trainer(a, {}, kStream).step(feed.inputs());
    const double limit = free.gradient_norm / 4;
    const StepMetrics bound = Trainer(b, {.clip = {ClipSpec::Kind::norm, limit}}, kStream).step(feed.inputs());
    EXPECT_FALSE(free.clipped);
    EXPECT_TRUE(bound.clipped);
    EXPECT_EQ(bound.gradient_norm, free.gradient_norm);
    Network start = make(model());
    const auto from = start.read_parameters(kStream), x = a.read_parameters(kStream), y = b.read_parameters(kStream);
    const double factor = limit / (free.gradient_norm + 1e-6);
    for (std::size_t p = 0; p < x.size(); ++p)
        for (std::int64_t i = 0; i < x[p].shape.size(); ++i)
            ASSERT_NEAR(y[p].at(i) - from[p].at(i), factor * (x[p].at(i) - from[p].at(i)), 1e-15);
}

// ---- steps without a finite gradient

NetworkSpec regression() {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, 2}, {"t", DType::f64, 1}};
    spec.nodes = {{"rnn", StackSpec{2, {{.hidden = 3}}, Precision::f64(), {}}, {"x"}, {"y"}},
                  {"top", LinearSpec{3, 1}, {"y"}, {"p"}},
                  {"loss", SquaredErrorSpec{}, {"p", "t"}}};
    return spec;
}

TEST(Trainer, NeverLetsABadGradientReachTheParameters) {
    Network network(Device::cpu(1), regression());
    network.initialise({}, kStream);
    Trainer trainer(network, {.optimizer = {.rule = OptimizerSpec::Rule::adam}, .max_skipped = 3}, kStream);
    Random random(1);
    Feed good, bad;
    good.numbers({4, 2, 2}, random.uniforms(16)).numbers({4, 2, 1}, random.uniforms(8));
    bad.numbers({4, 2, 2}, random.uniforms(16)).numbers({4, 2, 1}, random.uniforms(8));
    bad.numbers_of(1)[3] = std::numeric_limits<double>::quiet_NaN();

    trainer.step(good.inputs());
    const TrainingState before = trainer.save();
    for (int round = 0; round < 2; ++round) {  // two in a row are counted, a good one ends the row
        for (int i = 0; i < 2; ++i) {
            const StepMetrics m = trainer.step(bad.inputs());
            EXPECT_TRUE(m.skipped);
            EXPECT_FALSE(m.clipped);
        }
        const TrainingState after = trainer.save();
        for (std::size_t t = 0; round == 0 && t < before.tensors.size(); ++t)
            EXPECT_EQ(before.tensors[t].data, after.tensors[t].data) << before.tensors[t].name;
        EXPECT_FALSE(trainer.step(good.inputs()).skipped);
    }
    EXPECT_EQ(trainer.progress().skipped, 4);
    EXPECT_EQ(trainer.progress().skipped_in_a_row, 0);
    EXPECT_EQ(trainer.progress().step, 7);

    trainer.step(bad.inputs());
    trainer.step(bad.inputs());
    try {
        trainer.step(bad.inputs());
        ADD_FAILURE() << "training went on";
    } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::state);
        EXPECT_NE(std::string(e.what()).find("3 steps in a row"), std::string::npos) << e.what();
    }
    for (const HostTensor& p : network.read_parameters(kStream))
        for (double v : p.as<double>()) EXPECT_TRUE(std::isfinite(v));
}

TEST(Trainer, CarriesNoStateWithNaNOn) {
    Network network(Device::cpu(1), regression());
    network.initialise({}, kStream);
    Trainer trainer(network, {.window = 4}, kStream);
    Random random(2);
    Feed feed;
    feed.numbers({8, 2, 2}, random.uniforms(32)).numbers({8, 2, 1}, random.uniforms(16));
    feed.numbers_of(0)[3] = std::numeric_limits<double>::quiet_NaN();
    std::vector<StepMetrics> steps;
    trainer.sequence(feed.inputs(), [&](const StepMetrics& m) { steps.push_back(m); });
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_TRUE(steps[0].skipped);
    EXPECT_FALSE(steps[1].skipped);
    EXPECT_TRUE(std::isfinite(steps[1].loss));
}

// ---- streams

std::vector<std::int32_t> text(std::int64_t count) { return random_ids(6, count, kClasses); }

TEST(Trainer, ReadsStreamsEpochByEpoch) {
    Network network = make(model());
    const TokenStreams streams(text(3 * 11 + 2), 3);  // ten steps
    Trainer trainer(
        network,
        {.schedule = {.kind = ScheduleSpec::Kind::exponential, .rate = 0.5, .factor = 0.5, .after = 1}, .window = 4},
        kStream);
    for (int epoch = 0; epoch < 3; ++epoch)
        for (int w = 0; w < 3; ++w) {
            EXPECT_EQ(trainer.progress().window, w);
            EXPECT_EQ(trainer.progress().epoch, epoch);
            const StepMetrics m = trainer.step(streams);
            EXPECT_EQ(m.tokens, w < 2 ? 12 : 6);
            EXPECT_EQ(m.epoch, epoch);
            EXPECT_EQ(m.step, epoch * 3 + w);
            EXPECT_EQ(m.epoch_end, w == 2);
            EXPECT_EQ(m.learning_rate, 0.5 * std::pow(0.5, epoch));
        }
    trainer.step(streams);
    EXPECT_THROW(trainer.step(TokenStreams(text(30), 2)), Error);  // in the middle of an epoch of others
}

TEST(Trainer, CarriesStateAlongAnEpochAndNoFurther) {
    Network a = make(model()), b = make(model());
    const TokenStreams streams(text(3 * 11), 3);
    const TrainerSpec spec{.schedule = {.rate = 0}, .window = 4};
    Trainer trainer(a, spec, kStream);
    std::vector<double> first, second;
    double sum = 0;
    for (int w = 0; w < 3; ++w) {
        first.push_back(trainer.step(streams).loss_sum);
        sum += first.back();
    }
    for (int w = 0; w < 3; ++w) second.push_back(trainer.step(streams).loss_sum);
    EXPECT_EQ(first, second);
    const Evaluation whole = evaluate(b, streams, 10, kStream);
    EXPECT_EQ(whole.tokens, 30);
    EXPECT_NEAR(sum, whole.loss_sum, 1e-12);
}

TEST(Trainer, WholeSequencesBeginFromZero) {
    Network a = make(model()), b = make(model());
    const TrainerSpec spec{.schedule = {.rate = 0}, .window = 4};
    Trainer used(a, spec, kStream), fresh(b, spec, kStream);
    const Feed feed = feed_of(5, 3);
    used.step(TokenStreams(text(3 * 11), 3));
    EXPECT_EQ(used.step(feed.inputs()).loss, fresh.step(feed.inputs()).loss);
}

TEST(Trainer, DrawsNewMasksEveryStep) {
    const Feed feed = feed_of(5, 3);
    const auto losses = [&](std::uint64_t seed) {
        Network network = make(model(Precision::f64(), 0.5));
        Trainer trainer(network, {.schedule = {.rate = 0}, .seed = seed}, kStream);
        std::vector<double> list;
        for (int i = 0; i < 3; ++i) list.push_back(trainer.step(feed.inputs()).loss);
        return list;
    };
    const std::vector<double> first = losses(1);
    EXPECT_NE(first[0], first[1]);
    EXPECT_NE(first[1], first[2]);
    EXPECT_EQ(losses(1), first);
    EXPECT_NE(losses(2)[0], first[0]);
}

TEST(Evaluate, DoesNotDependOnTheWindow) {
    Network network = make(model(Precision::f64(), 0.5));
    for (std::int64_t batch : {1, 4}) {
        const TokenStreams streams(text(40), batch);
        const Evaluation whole = evaluate(network, streams, 1000, kStream);
        EXPECT_EQ(whole.tokens, 40 - batch);
        for (std::int64_t window : {1, 7}) {
            const Evaluation parts = evaluate(network, streams, window, kStream);
            EXPECT_EQ(parts.tokens, whole.tokens);
            EXPECT_NEAR(parts.loss_sum, whole.loss_sum, 1e-12);
        }
        EXPECT_NEAR(whole.perplexity(), std::exp(whole.loss_sum / static_cast<double>(whole.tokens)), 1e-12);
        EXPECT_NEAR(whole.bits(), std::log2(whole.perplexity()), 1e-12);
    }
    EXPECT_THROW(evaluate(network, TokenStreams(text(40), 1), 0, kStream), Error);
    Network other(Device::cpu(1), regression());
    EXPECT_THROW(evaluate(other, TokenStreams(text(40), 1), 5, kStream), Error);
    EXPECT_THROW(Trainer(other, {}, kStream).step(TokenStreams(text(40), 1)), Error);
}

// ---- resuming

/// Stopping anywhere and going on elsewhere is not stopping, to the last bit.
TEST(Resume, IsBitwise) {
    const TrainerSpec specs[] = {
        {.schedule = {.kind = ScheduleSpec::Kind::exponential, .rate = 0.5, .factor = 0.7, .after = 1},
         .clip = {ClipSpec::Kind::norm, 0.3},
         .reduction = Reduction::mean_of_batch,
         .window = 4,
         .seed = 9},
        {.optimizer = {.momentum = 0.9, .nesterov = true}, .schedule = {.rate = 0.1}, .window = 3, .history = 7},
        {.optimizer = {.rule = OptimizerSpec::Rule::adamw, .weight_decay = 0.01, .decay_biases = false},
         .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.01, .warmup = 5, .total = 20},
         .window = 4},
    };
    const TokenStreams streams(text(3 * 16), 3);
    const LanguageModelSpec described = model(Precision::f32(), 0.3);
    for (const TrainerSpec& spec : specs)
        for (int stop : {1, 4, 7}) {
            Network a = make(described);
            Trainer straight(a, spec, kStream);
            std::vector<double> expected, got;
            for (int i = 0; i < 14; ++i) expected.push_back(straight.step(streams).loss);

            Network b = make(described);
            Trainer begun(b, spec, kStream);
            for (int i = 0; i < stop; ++i) got.push_back(begun.step(streams).loss);
            const TrainingState saved = begun.save();
            EXPECT_EQ(trainer_spec_from(saved.metadata), spec);

            Network c(Device::cpu(1), network_spec(described));
            Trainer resumed(c, trainer_spec_from(saved.metadata), kStream);
            resumed.restore(saved);
            for (int i = stop; i < 14; ++i) got.push_back(resumed.step(streams).loss);
            EXPECT_EQ(got, expected);
            const TrainingState x = straight.save(), y = resumed.save();
            ASSERT_EQ(x.tensors.size(), y.tensors.size());
            EXPECT_EQ(x.metadata, y.metadata);
            for (std::size_t t = 0; t < x.tensors.size(); ++t)
                EXPECT_EQ(x.tensors[t].data, find(y.tensors, x.tensors[t].name).data) << x.tensors[t].name;
        }
}

TEST(Resume, RefusesWhatDoesNotFitAndChangesNothing) {
    Network network = make(model());
    Trainer trainer(network, {.optimizer = {.rule = OptimizerSpec::Rule::adam}, .window = 4}, kStream);
    const TokenStreams streams(text(48), 3);
    trainer.step(streams);
    const TrainingState good = trainer.save();
    for (std::size_t t = 0; t < good.tensors.size(); ++t) {
        TrainingState broken = good;
        broken.tensors.erase(broken.tensors.begin() + static_cast<std::ptrdiff_t>(t));
        EXPECT_THROW(trainer.restore(broken), Error) << good.tensors[t].name;
        broken = good;
        broken.tensors[t] = HostTensor(good.tensors[t].name, DType::f64, {1});
        EXPECT_THROW(trainer.restore(broken), Error) << good.tensors[t].name;
    }
    for (const char* key : {"progress.step", "progress.window", "progress.updates", "progress.state_rows"}) {
        TrainingState broken = good;
        broken.metadata.erase(key);
        EXPECT_THROW(trainer.restore(broken), Error) << key;
        broken.metadata[key] = "-1";
        EXPECT_THROW(trainer.restore(broken), Error) << key;
    }
    EXPECT_EQ(trainer.progress().step, 1);
    Network fresh = make(model());
    Trainer other(fresh, {.optimizer = {.rule = OptimizerSpec::Rule::adam}, .window = 4}, kStream);
    other.restore(good);
    EXPECT_EQ(other.step(streams).loss, trainer.step(streams).loss);
}

TEST(Trainer, RefusesWhatMakesNoSense) {
    const auto refused = [](const TrainerSpec& spec) { EXPECT_THROW(validate(spec), Error); };
    refused({.window = 0});
    refused({.window = 5, .history = 4});
    refused({.max_skipped = 0});
    refused({.schedule = {.rate = std::nan("")}});
    refused({.clip = {ClipSpec::Kind::norm, std::nan("")}});
    refused({.optimizer = {.momentum = std::nan("")}});
    Network network = make(model());
    EXPECT_THROW(Trainer(network, {.window = 0}, kStream), Error);
    Trainer trainer(network, {}, kStream);
    Feed uneven;
    uneven.ids({4, 2}, random_ids(1, 8, kClasses)).ids({5, 2}, random_ids(1, 10, kClasses));
    EXPECT_THROW(trainer.sequence(uneven.inputs(), nullptr), Error);
    Feed flat;
    flat.ids({4}, random_ids(1, 4, kClasses)).ids({4}, random_ids(1, 4, kClasses));
    EXPECT_THROW(trainer.sequence(flat.inputs(), nullptr), Error);
    for (const auto& [key, value] : to_metadata(TrainerSpec{})) {
        Metadata broken = to_metadata(TrainerSpec{});
        broken[key] += "?";
        EXPECT_THROW(trainer_spec_from(broken), Error) << key;
        broken.erase(key);
        EXPECT_THROW(trainer_spec_from(broken), Error) << key;
    }
}

}  // namespace
}  // namespace rondo
