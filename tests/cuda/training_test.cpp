/// Training on the GPU follows the CPU, in every precision; replayed steps are the steps they were recorded from.
#include <array>
#include <cmath>
#include <numeric>

#include "cuda/on_gpu.hpp"
#include "rondo/gradient_flow.hpp"
#include "rondo/language_model.hpp"
#include "rondo/trainer.hpp"
#include "support/random.hpp"

namespace rondo::test {
namespace {

constexpr std::int64_t kClasses = 13;

/// Text with something to learn: every token is mostly the one before it plus one or two.
std::vector<std::int32_t> text(std::int64_t count) {
    Random random(3);
    std::vector<std::int32_t> ids{0};
    while (static_cast<std::int64_t>(ids.size()) < count)
        ids.push_back(static_cast<std::int32_t>((ids.back() + 1 + random.below(10) / 9) % kClasses));
    return ids;
}

LanguageModelSpec model(Precision precision, double dropout = 0.2) {
    LanguageModelSpec spec{.classes = kClasses, .embedding = 10, .dropout = dropout, .precision = precision};
    LayerSpec lstm, gru;
    lstm.cell = "lstm";
    lstm.hidden = 12;
    lstm.dropout = dropout;
    gru.cell = "gru";
    gru.hidden = 9;
    spec.stack = {lstm, gru};
    return spec;
}

TrainerSpec adam(ClipSpec clip = {ClipSpec::Kind::norm, 0.5}) {
    return {.optimizer = {.rule = OptimizerSpec::Rule::adam, .weight_decay = 0.01, .decay_biases = false},
            .schedule = {.kind = ScheduleSpec::Kind::cosine, .rate = 0.03, .warmup = 3, .total = 60},
            .clip = clip,
            .window = 6,
            .history = 8};
}

struct Curve {
    std::vector<StepMetrics> steps;
    std::vector<HostTensor> parameters;

    double mean_loss(std::size_t begin, std::size_t end) const {
        double sum = 0;
        for (std::size_t i = begin; i < end; ++i) sum += steps[i].loss;
        return sum / static_cast<double>(end - begin);
    }
};

Curve train(const Device& device, Stream stream, const LanguageModelSpec& spec, const TrainerSpec& how, int steps) {
    Network network(device, network_spec(spec));
    network.initialise({.seed = 4}, stream);
    const TokenStreams streams(text(200), 3);
    Trainer trainer(network, how, stream);
    Curve curve;
    for (int i = 0; i < steps; ++i) curve.steps.push_back(trainer.step(streams));
    curve.parameters = network.read_parameters(stream);
    return curve;
}

void expect_follows(const Curve& out, const Curve& expected, double tolerance) {
    ASSERT_EQ(out.steps.size(), expected.steps.size());
    for (std::size_t i = 0; i < out.steps.size(); ++i) {
        const StepMetrics &a = out.steps[i], &b = expected.steps[i];
        EXPECT_NEAR(a.loss, b.loss, tolerance * std::abs(b.loss)) << i;
        EXPECT_NEAR(a.gradient_norm, b.gradient_norm, 20 * tolerance * b.gradient_norm) << i;
        EXPECT_EQ(a.tokens, b.tokens);
        EXPECT_EQ(a.learning_rate, b.learning_rate);
        EXPECT_EQ(a.epoch_end, b.epoch_end);
        EXPECT_EQ(a.skipped, b.skipped);
    }
}

class CudaTrainingGpu : public GpuTest {};

TEST_F(CudaTrainingGpu, FollowsTheCpuInDouble) {
    const DeviceStream stream(device());
    for (const ClipSpec clip : {ClipSpec{ClipSpec::Kind::norm, 0.5}, ClipSpec{ClipSpec::Kind::tensor_norm, 0.1},
                                ClipSpec{ClipSpec::Kind::value, 0.02}, ClipSpec{}}) {
        const Curve cpu = train(Device::cpu(1), {}, model(Precision::f64()), adam(clip), 30);
        const Curve gpu = train(device(), stream, model(Precision::f64()), adam(clip), 30);
        expect_follows(gpu, cpu, 1e-10);
        EXPECT_TRUE(std::any_of(cpu.steps.begin(), cpu.steps.end(), [](auto& s) { return s.epoch_end; }));
        for (std::size_t i = 0; i < cpu.steps.size(); ++i) EXPECT_EQ(gpu.steps[i].clipped, cpu.steps[i].clipped);
        for (std::size_t p = 0; p < cpu.parameters.size(); ++p)
            for (std::int64_t i = 0; i < cpu.parameters[p].shape.size(); ++i)
                ASSERT_NEAR(gpu.parameters[p].at(i), cpu.parameters[p].at(i), 1e-8) << cpu.parameters[p].name;
    }
}

/// What rounding does to a curve grows with the steps: each precision has its own allowance, and all of them learn.
TEST_F(CudaTrainingGpu, FollowsTheCpuInEveryPrecision) {
    const DeviceStream stream(device());
    const Curve cpu = train(Device::cpu(1), {}, model(Precision::f64(), 0), adam(), 40);
    ASSERT_LT(cpu.mean_loss(35, 40), 0.6 * cpu.mean_loss(0, 5));
    struct Allowance {
        Precision precision;
        double tolerance;
    };
    for (const Allowance a : {Allowance{Precision::f32(), 2e-4},
                              {Precision::tf32(), 2e-2},
                              {Precision::f16(), 2e-2},
                              {Precision::bf16(), 6e-2}}) {
        SCOPED_TRACE(a.precision.name());
        const Curve gpu = train(device(), stream, model(a.precision, 0), adam(), 40);
        expect_follows(gpu, cpu, a.tolerance);
        EXPECT_EQ(gpu.steps[0].loss_scale, a.precision == Precision::f16() ? 65536 : 1);
        EXPECT_EQ(gpu.parameters[0].dtype, DType::f32) << "the master copy";
    }
}

/// The legacy default stream cannot be recorded: every step runs as it is there.
TEST_F(CudaTrainingGpu, ReplaysHaveTheBitsOfTheSteps) {
    for (const Precision precision : {Precision::f32(), Precision::bf16(), Precision::f16()}) {
        const DeviceStream stream(device());
        const Curve replayed = train(device(), stream, model(precision), adam(), 25);
        const Curve ran = train(device(), {}, model(precision), adam(), 25);
        for (std::size_t i = 0; i < ran.steps.size(); ++i) {
            EXPECT_EQ(replayed.steps[i].loss, ran.steps[i].loss) << i;
            EXPECT_EQ(replayed.steps[i].gradient_norm, ran.steps[i].gradient_norm) << i;
        }
        for (std::size_t p = 0; p < ran.parameters.size(); ++p)
            EXPECT_EQ(replayed.parameters[p].data, ran.parameters[p].data) << ran.parameters[p].name;
    }
}

/// Steps that are observed by turns, recorded and replayed: training goes on bit by bit as without, and what is told is
/// what the CPU tells, without the loss scale.
void check_observed_steps(const Device& gpu_device, Precision precision, double tolerance) {
    const auto run = [](const Device& on, Stream s, Precision in, bool observe) {
        Network network(on, network_spec(model(in, 0)));
        network.initialise({.seed = 4}, s);
        const TokenStreams streams(text(200), 3);
        Trainer trainer(network, adam(), s);
        std::pair<std::vector<double>, std::vector<GradientFlow>> told;
        for (int i = 0; i < 12; ++i) {
            network.observe_gradients(observe && i % 2 != 0);
            told.first.push_back(trainer.step(streams).gradient_norm);
            if (observe && i % 2 != 0) told.second.push_back(network.gradient_flow(s));
        }
        return told;
    };
    const DeviceStream stream(gpu_device);
    const auto cpu = run(Device::cpu(1), {}, Precision::f64(), true);
    const auto gpu = run(gpu_device, stream, precision, true);
    EXPECT_EQ(gpu.first, run(gpu_device, stream, precision, false).first);
    ASSERT_EQ(gpu.second.size(), 6u);
    for (std::size_t i = 0; i < gpu.second.size(); ++i) {
        const GradientFlow &a = gpu.second[i], &b = cpu.second[i];
        EXPECT_NEAR(a.norm(), gpu.first[2 * i + 1], 1e-6 * a.norm());
        ASSERT_EQ(a.layers.size(), 2u);
        EXPECT_EQ(a.layers[1].name, "rnn.l1");
        for (std::size_t w = 0; w < b.weights.size(); ++w)
            EXPECT_NEAR(a.weights[w].norm, b.weights[w].norm, tolerance * b.norm()) << b.weights[w].name;
        for (std::size_t l = 0; l < 2; ++l)
            for (std::size_t t = 0; t < b.layers[l].norms.size(); ++t)
                EXPECT_NEAR(a.layers[l].norms[t], b.layers[l].norms[t], tolerance * b.layers[l].norms[t]);
    }
}

TEST_F(CudaTrainingGpu, ObservedStepsTellTheirGradientsInF64) {
    check_observed_steps(device(), Precision::f64(), 1e-9);
}
TEST_F(CudaTrainingGpu, ObservedStepsTellTheirGradientsInF16) { check_observed_steps(device(), Precision::f16(), 0.3); }

/// An evaluation makes the 16-bit copies of the parameters, just before a step is recorded: the recording makes its own.
TEST_F(CudaTrainingGpu, EvaluationsBetweenStepsChangeNothing) {
    const auto run = [&](Stream stream, bool evaluates) {
        Network network(device(), network_spec(model(Precision::f16())));
        network.initialise({.seed = 4}, stream);
        const TokenStreams streams(text(19), 3);  // one window an epoch
        Trainer trainer(network, adam(), stream);
        std::vector<double> losses;
        for (int i = 0; i < 8; ++i) {
            losses.push_back(trainer.step(streams).loss);
            if (evaluates) evaluate(network, streams, 4, stream);
        }
        return losses;
    };
    const DeviceStream stream(device());
    const std::vector<double> expected = run({}, false);
    EXPECT_NE(expected[6], expected[7]);
    EXPECT_EQ(run(stream, true), expected);
    EXPECT_EQ(run(stream, false), expected);
}

TEST_F(CudaTrainingGpu, QueuedStepsTellTheirMetricsOneStepLater) {
    const DeviceStream stream(device());
    const Curve expected = train(device(), stream, model(Precision::f32()), adam(), 20);
    Network network(device(), network_spec(model(Precision::f32())));
    network.initialise({.seed = 4}, stream);
    const TokenStreams streams(text(200), 3);
    Trainer trainer(network, adam(), stream);
    EXPECT_FALSE(trainer.finish());
    EXPECT_FALSE(trainer.queue(streams));
    for (std::size_t i = 1; i < 20; ++i) {
        const auto metrics = trainer.queue(streams);
        ASSERT_TRUE(metrics);
        EXPECT_EQ(metrics->step, static_cast<std::int64_t>(i) - 1);
        EXPECT_EQ(metrics->loss, expected.steps[i - 1].loss);
        EXPECT_EQ(metrics->epoch_end, expected.steps[i - 1].epoch_end);
    }
    const auto last = trainer.finish();
    ASSERT_TRUE(last);
    EXPECT_EQ(last->loss, expected.steps[19].loss);
    EXPECT_FALSE(trainer.finish());
}

TEST_F(CudaTrainingGpu, GoesOnFromWhereItWasSaved) {
    const DeviceStream stream(device());
    for (const Precision precision : {Precision::f32(), Precision::f16()}) {
        TrainerSpec how = adam();
        how.loss_scale = {.initial = 1024, .interval = 7};  // it grows on the way
        const Curve whole = train(device(), stream, model(precision), how, 24);
        Network first(device(), network_spec(model(precision))), second(device(), network_spec(model(precision)));
        first.initialise({.seed = 4}, stream);
        const TokenStreams streams(text(200), 3);
        Trainer before(first, how, stream), after(second, how, stream);
        for (int i = 0; i < 13; ++i) before.queue(streams);
        after.restore(before.save());
        for (std::size_t i = 13; i < 24; ++i) EXPECT_EQ(after.step(streams).loss, whole.steps[i].loss) << i;
        if (precision == Precision::f16()) {
            EXPECT_GT(whole.steps[23].loss_scale, 1024);
        }
        const auto parameters = second.read_parameters(stream);
        for (std::size_t p = 0; p < parameters.size(); ++p) EXPECT_EQ(parameters[p].data, whole.parameters[p].data);
    }
}

/// Gradients beyond f16 are infinite: the step is skipped, the scale halved, until they fit.
TEST_F(CudaTrainingGpu, AnOverflowSkipsTheStepAndLowersTheLossScale) {
    const DeviceStream stream(device());
    TrainerSpec how = adam();
    how.loss_scale.initial = 0x1p24;
    how.reduction = Reduction::sum;
    const Curve curve = train(device(), stream, model(Precision::f16()), how, 20);
    EXPECT_TRUE(curve.steps[0].skipped);
    EXPECT_EQ(curve.steps[1].loss_scale, 0x1p23);
    EXPECT_FALSE(curve.steps[19].skipped);
    EXPECT_TRUE(std::isfinite(curve.steps[19].gradient_norm));
    EXPECT_LT(curve.steps[19].loss, curve.steps[0].loss);
}

/// A loss that is NaN: nothing changes, the state is not carried on, and the next step is sound again.
TEST_F(CudaTrainingGpu, ANanIsSkippedAndForgotten) {
    const DeviceStream stream(device());
    const auto run = [&](const Device& on, Stream s) {
        Network network(on, network_spec(model(Precision::f64())));
        network.initialise({.seed = 4}, s);
        const TokenStreams streams(text(200), 3);
        Trainer trainer(network, adam(), s);
        std::vector<StepMetrics> steps;
        for (int i = 0; i < 12; ++i) {
            std::vector<HostTensor> sound;
            if (i == 5) {
                sound = network.read_parameters(s);
                std::vector<HostTensor> bad = sound;
                bad[0].as<double>()[bad[0].as<double>().size() / 2] = std::numeric_limits<double>::quiet_NaN();
                for (double& v : bad[1].as<double>()) v = std::numeric_limits<double>::quiet_NaN();
                network.write_parameters(bad, s);
            }
            steps.push_back(trainer.step(streams));
            if (i == 5) network.write_parameters(sound, s);
        }
        EXPECT_EQ(trainer.progress().skipped, 1);
        return steps;
    };
    const auto gpu = run(device(), stream), cpu = run(Device::cpu(1), {});
    for (std::size_t i = 0; i < cpu.size(); ++i) {
        EXPECT_EQ(gpu[i].skipped, i == 5);
        if (i == 5)
            EXPECT_TRUE(std::isnan(gpu[i].loss));
        else
            EXPECT_NEAR(gpu[i].loss, cpu[i].loss, 1e-9 * cpu[i].loss) << i;
    }
}

/// Ragged batches of many shapes: more than are remembered, and each as the CPU has it.
TEST_F(CudaTrainingGpu, TrainsOnRaggedBatchesOfManyShapes) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    LayerSpec layer;
    layer.cell = "gru";
    layer.hidden = 6;
    layer.direction = Direction::bidirectional;
    spec.inputs = {{"x", DType::f64, 4}, {"target", DType::f64, 3}};
    spec.nodes = {{"rnn", StackSpec{4, {layer}, spec.precision, {}}, {"x"}, {"h"}},
                  {"linear", LinearSpec{12, 3}, {"h"}, {"y"}},
                  {"loss", SquaredErrorSpec{}, {"y", "target"}, {}}};
    const auto run = [&](const Device& on, Stream s) {
        Network network(on, spec);
        network.initialise({.seed = 4}, s);
        Trainer trainer(network, {.optimizer = {.momentum = 0.9}, .schedule = {.rate = 0.02}}, s);
        std::vector<double> losses;
        for (int i = 0; i < 40; ++i) {
            const std::int64_t steps = 2 + i % 20 / 2, batch = 1 + i % 3;
            Random random(static_cast<std::uint64_t>(i));
            const std::vector<double> x = random.uniforms(steps * batch * 4), y = random.uniforms(steps * batch * 3);
            std::vector<std::int64_t> lengths;
            for (std::int64_t b = 0; b < batch; ++b)
                lengths.push_back(static_cast<std::int64_t>(random.below(steps + 1)));
            const std::array<Sequence, 2> inputs{Sequence{ConstView(x.data(), {steps, batch, 4}), lengths},
                                                 Sequence{ConstView(y.data(), {steps, batch, 3})}};
            losses.push_back(trainer.step(inputs).loss);
        }
        return losses;
    };
    const DeviceStream stream(device());
    const auto gpu = run(device(), stream), cpu = run(Device::cpu(1), {});
    for (std::size_t i = 0; i < cpu.size(); ++i) EXPECT_NEAR(gpu[i], cpu[i], 1e-10 * (1 + cpu[i])) << i;
}

/// Steps of more extents than are kept recorded push each other out, every one of them.
TEST_F(CudaTrainingGpu, TellsHowManyRecordingsWereDropped) {
    const DeviceStream stream(device());
    Network network(device(), network_spec({.classes = kClasses, .hidden = 3}));
    network.initialise({.seed = 4}, stream);
    Trainer trainer(network, {.window = 6}, stream);
    const std::vector<std::int32_t> ids = text(60);
    const auto step = [&](std::int64_t steps) {
        const ConstView view(ids.data(), {steps, 2});
        trainer.step(std::vector<Sequence>{{view}, {view}});
    };
    step(20);  // the largest first: memory that has to grow is another extent's
    for (int i = 0; i < 3; ++i)
        for (std::int64_t steps = 1; steps < Trainer::kRecordings; ++steps) step(steps);
    EXPECT_EQ(trainer.dropped_recordings(), 0);
    step(Trainer::kRecordings);  // in place of 20
    step(1);
    EXPECT_EQ(trainer.dropped_recordings(), 1);
    step(20);  // of 2
    step(2);   // of 3
    EXPECT_EQ(trainer.dropped_recordings(), 3);
}

}  // namespace
}  // namespace rondo::test
