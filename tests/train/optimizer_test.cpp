/// Optimizers against PyTorch 1.13 in double, and clipping against its rule.
#include "rondo/optimizer.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "model/gradient_check.hpp"

namespace rondo {
namespace {

using namespace test;
using Rule = OptimizerSpec::Rule;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// One tensor of three elements, and with `bias` another.
Network make(bool bias = false) {
    NetworkSpec spec;
    spec.precision = Precision::f64();
    spec.inputs = {{"x", DType::f64, 3}, {"t", DType::f64, 1}};
    spec.nodes = {{"l", LinearSpec{3, 1, bias}, {"x"}, {"y"}}, {"loss", SquaredErrorSpec{}, {"y", "t"}}};
    return Network(Device::cpu(1), spec);
}

double* parameters(Network& n) { return static_cast<double*>(n.parameter_array().data); }
double* gradients(Network& n) { return static_cast<double*>(n.gradient_array().data); }

/// All tensors'; the gaps between them stay zero, as a backward leaves them.
void fill_gradients(Network& n, double value) {
    for (const NetworkParameter& p : n.parameters()) std::fill_n(gradients(n) + p.offset, p.shape.size(), value);
}

void update(Optimizer& optimizer, double rate) {
    optimizer.set_learning_rate(rate, kStream);
    optimizer.update(kStream);
}

struct Sequence4 {
    const char* name;
    OptimizerSpec spec;
    double rate;
    double expected[4][3];
};

/// torch.optim on p = (1, -2, 0.5), g_k = (0.3k, -0.2, 0.7 - 0.5(k-1)), k = 1..4.
const Sequence4 kPyTorch[] = {
    {"sgd", {}, 0.1, {{0.97, -1.98, 0.43}, {0.91, -1.96, 0.41}, {0.82, -1.94, 0.44}, {0.7, -1.92, 0.52}}},
    {"sgd, decay",
     {.weight_decay = 0.05},
     0.1,
     {{0.965, -1.97, 0.4275},
      {0.900175, -1.94015, 0.4053625},
      {0.805674125, -1.91044925, 0.4333356875},
      {0.68164575437499986, -1.88089700375, 0.51116900906250007}}},
    {"momentum",
     {.momentum = 0.9, .weight_decay = 0.05},
     0.1,
     {{0.965, -1.97, 0.4275},
      {0.868675, -1.91315, 0.3401125},
      {0.687639125, -1.83241925, 0.2897631875},
      {0.401268641875, -1.73059947875, 0.3229999903125}}},
    {"nesterov",
     {.momentum = 0.9, .nesterov = true, .weight_decay = 0.05},
     0.1,
     {{0.9335, -1.943, 0.36225},
      {0.78228175, -1.8622415, 0.262083625},
      {0.525954398375, -1.76061105575, 0.2460742180625},
      {0.14678348300293753, -1.6407979376453752, 0.35550742305965632}}},
    {"adam",
     {.rule = Rule::adam, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.05},
     0.01,
     {{0.99000002857134695, -1.9900000333332222, 0.49000001379308444},
      {0.98017098333386821, -1.9800007830257789, 0.48158238476185777},
      {0.97031109166478879, -1.9700027182122581, 0.47829235997101166},
      {0.96033955237467272, -1.9600062945305072, 0.48119852352819742}}},
    {"adamw",
     {.rule = Rule::adamw, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.05},
     0.01,
     {{0.98950003333322223, -1.9890000499997502, 0.48975001428569392},
      {0.97924192285138689, -1.9780055999745005, 0.4812124200797302},
      {0.96895393445468037, -1.9670166471742636, 0.47814856203900707},
      {0.95854689939680982, -1.9560331888504268, 0.48123227437622729}}},
};

TEST(Optimizer, FollowsPyTorch) {
    for (const Sequence4& c : kPyTorch) {
        Network network = make();
        std::copy_n(std::array{1.0, -2.0, 0.5}.data(), 3, parameters(network));
        Optimizer optimizer(network, c.spec);
        for (int k = 0; k < 4; ++k) {
            const double g[] = {0.3 * (k + 1), -0.2, 0.7 - 0.5 * k};
            for (int i = 0; i < 3; ++i) gradients(network)[i] = g[i];
            update(optimizer, c.rate);
            for (int i = 0; i < 3; ++i) EXPECT_NEAR(parameters(network)[i], c.expected[k][i], 2e-15) << c.name << k;
        }
        EXPECT_EQ(optimizer.counts(kStream).updates, 4);
    }
}

TEST(Optimizer, SkippedUpdatesDoNotCount) {
    for (const Sequence4& c : kPyTorch) {
        Network network = make();
        std::copy_n(std::array{1.0, -2.0, 0.5}.data(), 3, parameters(network));
        Optimizer optimizer(network, c.spec);
        for (int k = 0; k < 4; ++k) {
            std::fill_n(gradients(network), 3, kNan);
            update(optimizer, c.rate);
            EXPECT_FALSE(optimizer.report(kStream).finite);
            const double g[] = {0.3 * (k + 1), -0.2, 0.7 - 0.5 * k};
            std::copy_n(g, 3, gradients(network));
            update(optimizer, c.rate);
            for (int i = 0; i < 3; ++i) EXPECT_NEAR(parameters(network)[i], c.expected[k][i], 2e-15) << c.name << k;
        }
        EXPECT_EQ(optimizer.counts(kStream).updates, 4);
    }
}

TEST(Optimizer, MomentsTravelByName) {
    for (const Sequence4& c : kPyTorch) {
        Network a = make(true), b = make(true);
        Optimizer first(a, c.spec), second(b, c.spec);
        fill_gradients(a, 0.3);
        update(first, 0.1);
        b.write_parameters(a.read_parameters(kStream), kStream);
        second.write(first.read(kStream), first.counts(kStream), kStream);
        for (auto [network, optimizer] : {std::pair{&a, &first}, {&b, &second}}) {
            fill_gradients(*network, -0.7);
            update(*optimizer, 0.1);
        }
        for (std::int64_t i = 0; i < a.parameter_count(); ++i) EXPECT_EQ(parameters(a)[i], parameters(b)[i]) << c.name;
        std::vector<HostTensor> moments = first.read(kStream);
        const std::size_t arrays = c.spec.rule != Rule::sgd ? 2 : c.spec.momentum > 0 ? 1 : 0;
        ASSERT_EQ(moments.size(), arrays * 2);
        if (arrays == 0) continue;
        EXPECT_EQ(moments[0].name, "optimizer.first.l.weight");
        moments.pop_back();
        EXPECT_THROW(second.write(moments, {1, 1, 0}, kStream), Error);
    }
}

TEST(Optimizer, MayLeaveBiasesOutOfDecay) {
    for (Rule rule : {Rule::sgd, Rule::adam, Rule::adamw})
        for (bool decay : {false, true}) {
            Network network = make(true);
            for (const NetworkParameter& p : network.parameters())
                std::fill_n(parameters(network) + p.offset, p.shape.size(), 1.0);
            std::fill_n(gradients(network), network.parameter_count(), 0.0);
            Optimizer optimizer(network, {.rule = rule, .weight_decay = 0.1, .decay_biases = decay});
            update(optimizer, 0.5);
            EXPECT_LT(parameters(network)[network.parameter("l.weight").offset + 2], 1);
            EXPECT_EQ(parameters(network)[network.parameter("l.bias").offset] < 1, decay);
        }
}

TEST(Optimizer, NeedsALearningRate) {
    Network network = make();
    Optimizer optimizer(network, {});
    EXPECT_TRUE(optimizer.report(kStream).finite);
    EXPECT_EQ(optimizer.report(kStream).loss_scale, 1);
    EXPECT_THROW(optimizer.update(kStream), Error);
    EXPECT_NO_THROW(update(optimizer, 0.1));
}

TEST(Optimizer, RefusesWhatMakesNoSense) {
    for (const OptimizerSpec& spec :
         {OptimizerSpec{.momentum = -0.1}, OptimizerSpec{.momentum = 1}, OptimizerSpec{.momentum = kNan},
          OptimizerSpec{.nesterov = true}, OptimizerSpec{.rule = Rule::adam, .momentum = 0.5},
          OptimizerSpec{.rule = Rule::adam, .beta1 = 1}, OptimizerSpec{.rule = Rule::adam, .beta2 = -1},
          OptimizerSpec{.rule = Rule::adam, .epsilon = 0}, OptimizerSpec{.weight_decay = -1},
          OptimizerSpec{.weight_decay = kNan}})
        EXPECT_THROW(validate(spec), Error);
    EXPECT_NO_THROW(validate(OptimizerSpec{}));
}

// ---- clipping

/// What an update reads once it has clipped: with SGD at rate 1 parameters of zero become its negative.
struct Clipped {
    UpdateReport report;
    std::array<double, 4> values;  ///< three of l.weight, one of l.bias
};
Clipped clip(std::array<double, 4> g, ClipSpec spec, double loss_scale = 1) {
    Network network = make(true);
    double* const bias = gradients(network) + network.parameter("l.bias").offset;
    std::copy_n(g.data(), 3, gradients(network) + network.parameter("l.weight").offset);
    *bias = g[3];
    Optimizer optimizer(network, {}, spec);
    if (loss_scale != 1) optimizer.write({}, {0, loss_scale, 0}, kStream);
    update(optimizer, 1);
    EXPECT_EQ(*bias, g[3]) << "the gradient itself is left alone";
    const auto list = network.read_parameters(kStream);
    return {optimizer.report(kStream), {-list[0].at(0), -list[0].at(1), -list[0].at(2), -list[1].at(0)}};
}

TEST(Clip, GlobalNormIsPyTorchsRule) {
    Clipped c = clip({2, -4, 4, 8}, {ClipSpec::Kind::norm, 5});  // norm 10
    EXPECT_EQ(c.report.norm, 10);
    EXPECT_TRUE(c.report.clipped && c.report.finite);
    const double scale = 5 / (10 + 1e-6);
    EXPECT_EQ(c.values, (std::array{2 * scale, -4 * scale, 4 * scale, 8 * scale}));
    c = clip({2, -4, 4, 8}, {ClipSpec::Kind::norm, 20});
    EXPECT_FALSE(c.report.clipped);
    EXPECT_EQ(c.values, (std::array{2.0, -4.0, 4.0, 8.0}));
}

TEST(Clip, NoneMeasuresOnly) {
    const Clipped c = clip({2, -4, 4, 8}, {});
    EXPECT_EQ(c.report.norm, 10);
    EXPECT_FALSE(c.report.clipped);
    EXPECT_EQ(c.values, (std::array{2.0, -4.0, 4.0, 8.0}));
}

TEST(Clip, EachTensorOnItsOwn) {
    const Clipped c = clip({2, -4, 4, 8}, {ClipSpec::Kind::tensor_norm, 7});  // norms 6 and 8
    EXPECT_EQ(c.report.norm, 10);
    EXPECT_TRUE(c.report.clipped);
    EXPECT_EQ(c.values, (std::array{2.0, -4.0, 4.0, 8.0 * (7 / (8 + 1e-6))}));
    EXPECT_FALSE(clip({2, -4, 4, 6.9}, {ClipSpec::Kind::tensor_norm, 7}).report.clipped);
}

TEST(Clip, ByValue) {
    const Clipped c = clip({2, -4, 4, 8}, {ClipSpec::Kind::value, 3});
    EXPECT_EQ(c.report.norm, 10);
    EXPECT_TRUE(c.report.clipped);
    EXPECT_EQ(c.values, (std::array{2.0, -3.0, 3.0, 3.0}));
    EXPECT_FALSE(clip({2, -3, 3, 3}, {ClipSpec::Kind::value, 3}).report.clipped);
}

TEST(Clip, LimitsAreThoseOfTheUnscaledGradient) {
    const Clipped by_norm = clip({16, -32, 32, 64}, {ClipSpec::Kind::norm, 5}, 8);
    EXPECT_EQ(by_norm.report.norm, 10);
    EXPECT_EQ(by_norm.report.loss_scale, 8);
    EXPECT_EQ(by_norm.values[3], 8 * (5 / (10 + 1e-6)));
    const Clipped by_value = clip({16, -32, 32, 64}, {ClipSpec::Kind::value, 3}, 8);
    EXPECT_TRUE(by_value.report.clipped);
    EXPECT_EQ(by_value.values, (std::array{2.0, -3.0, 3.0, 3.0}));
    EXPECT_EQ(clip({16, -32, 32, 64}, {}, 8).values, (std::array{2.0, -4.0, 4.0, 8.0}));
}

TEST(Clip, GradientsThatAreNotFiniteChangeNothing) {
    for (double bad : {kNan, std::numeric_limits<double>::infinity()})
        for (auto kind : {ClipSpec::Kind::norm, ClipSpec::Kind::tensor_norm, ClipSpec::Kind::value}) {
            const Clipped c = clip({2, bad, 4, 8}, {kind, 1});
            EXPECT_FALSE(c.report.finite || c.report.clipped);
            EXPECT_EQ(c.values, (std::array<double, 4>{}));
        }
}

TEST(LossScale, BacksOffAndGrows) {
    UpdateCounts counts{0, 1024, 0};
    double sum = 1, rate = 0, scale = 1024, factor = 0;
    UpdateScalars scalars;
    UpdateFindings findings;
    UpdatePlan plan;
    plan.sums = &sum;
    plan.learning_rate = &rate;
    plan.scaled = true;
    plan.interval = 3;
    plan.most = 2048;
    plan.counts = &counts;
    plan.loss_scale = &scale;
    plan.scalars = &scalars;
    plan.factors = &factor;
    plan.findings = &findings;
    const auto step = [&](double gradient) {
        sum = gradient * gradient;
        plan_update(plan);
        EXPECT_EQ(scale, counts.loss_scale);
        return counts.loss_scale;
    };
    EXPECT_EQ(step(1), 1024);
    EXPECT_EQ(factor, 1.0 / 1024);
    EXPECT_EQ(step(1), 1024);
    EXPECT_EQ(step(kNan), 512);  // and the count begins anew
    EXPECT_EQ(findings.loss_scale, 1024);
    EXPECT_EQ(step(1), 512);
    EXPECT_EQ(step(1), 512);
    EXPECT_EQ(step(1), 1024);
    for (int i = 0; i < 6; ++i) step(1);
    EXPECT_EQ(counts.loss_scale, 2048) << "never above the limit";
    for (int i = 0; i < 30; ++i) step(kNan);
    EXPECT_EQ(counts.loss_scale, 1) << "never below one";
    EXPECT_EQ(counts.updates, 11);
}

TEST(LossScale, RefusesWhatMakesNoSense) {
    for (const LossScaleSpec& spec :
         {LossScaleSpec{.initial = 0.5}, LossScaleSpec{.growth = 0.9}, LossScaleSpec{.backoff = 0},
          LossScaleSpec{.backoff = 1.5}, LossScaleSpec{.interval = 0}, LossScaleSpec{.initial = kNan}})
        EXPECT_THROW(validate(spec), Error);
    EXPECT_NO_THROW(validate(LossScaleSpec{}));
}

TEST(Clip, RefusesWhatMakesNoSense) {
    EXPECT_THROW(validate(ClipSpec{ClipSpec::Kind::norm, 0}), Error);
    EXPECT_THROW(validate(ClipSpec{ClipSpec::Kind::value, -1}), Error);
    EXPECT_THROW(validate(ClipSpec{ClipSpec::Kind::norm, kNan}), Error);
    EXPECT_THROW(validate(ClipSpec{ClipSpec::Kind::none, 1}), Error);
}

}  // namespace
}  // namespace rondo
