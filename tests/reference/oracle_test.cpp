/// The oracle by itself: worked examples, and its two kinds of derivative against each other.
#include "reference/oracle.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <complex>
#include <cstdio>

#include "support/cases.hpp"

namespace rondo::test {
namespace {

using Complex = std::complex<double>;
constexpr double kStep = 1e-30;

double squash(double a) { return 1 / (1 + std::exp(-a)); }

Problem one_unit(LayerSpec layer) {
    layer.hidden = 1;
    Problem p;
    p.spec.input = 1;
    p.spec.layers = {layer};
    p.spec.precision = Precision::f64();
    p.inputs.x = {0.5};
    return p;
}

TEST(OracleTest, OneStepOfAnLstmByHand) {
    Problem p = one_unit({.cell = "lstm", .options = {.peepholes = true}});
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.2, 0.3, 0.4}},
                           {"weight_hh_l0", {-0.5, 0.6, -0.7, 0.8}},
                           {"bias_ih_l0", {0.01, 0.02, 0.03, 0.04}},
                           {"bias_hh_l0", {0.05, 0.06, 0.07, 0.08}},
                           {"weight_peephole_l0", {0.9, -1.1, 1.3}}};
    p.inputs.states = {{0.25}, {-0.75}};
    const double i = squash(0.05 - 0.125 + 0.06 + 0.9 * -0.75), f = squash(0.1 + 0.15 + 0.08 - 1.1 * -0.75);
    const double g = std::tanh(0.15 - 0.175 + 0.1), c = f * -0.75 + i * g;
    const double h = squash(0.2 + 0.2 + 0.12 + 1.3 * c) * std::tanh(c);
    const Outputs out = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_NEAR(out.final_states[1][0], c, 1e-15);
    EXPECT_NEAR(out.y[0], h, 1e-15);

    p.spec.layers[0].cell_clip = 0.2;
    ASSERT_LT(c, -0.2);
    const Outputs clipped = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_EQ(clipped.final_states[1][0], -0.2);
    EXPECT_NEAR(clipped.y[0], squash(0.52 + 1.3 * -0.2) * std::tanh(-0.2), 1e-15);
}

TEST(OracleTest, OneStepOfACoupledLstmByHand) {
    Problem p = one_unit({.cell = "lstm", .biases = Biases::none, .options = {.coupled = true}});
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.3, 0.4}}, {"weight_hh_l0", {-0.5, -0.7, 0.8}}};
    p.inputs.states = {{0.25}, {-0.75}};
    const double i = squash(0.05 - 0.125), c = (1 - i) * -0.75 + i * std::tanh(0.15 - 0.175);
    const Outputs out = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_NEAR(out.final_states[1][0], c, 1e-15);
    EXPECT_NEAR(out.y[0], squash(0.2 + 0.2) * std::tanh(c), 1e-15);
}

TEST(OracleTest, OneStepOfBothGrusByHand) {
    Problem p = one_unit({.cell = "gru"});
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.2, 0.3}},
                           {"weight_hh_l0", {-0.5, 0.6, -0.7}},
                           {"bias_ih_l0", {0.01, 0.02, 0.03}},
                           {"bias_hh_l0", {0.05, 0.06, 0.07}}};
    p.inputs.states = {{0.25}};
    const double r = squash(0.05 - 0.125 + 0.06), z = squash(0.1 + 0.15 + 0.08);
    const double after = std::tanh(0.15 + 0.03 + r * (-0.175 + 0.07));
    const double before = std::tanh(0.15 + 0.03 - 0.7 * r * 0.25 + 0.07);
    EXPECT_NEAR(reference::forward<double>(p.spec, 1, 1, p.inputs).y[0], (1 - z) * after + z * 0.25, 1e-15);
    p.spec.layers[0].options.reset_before = true;
    EXPECT_NEAR(reference::forward<double>(p.spec, 1, 1, p.inputs).y[0], (1 - z) * before + z * 0.25, 1e-15);
}

TEST(OracleTest, TwoStepsOfAnSlstmByHand) {
    Problem p = one_unit({.cell = "slstm", .biases = Biases::none});
    p.inputs.x = {0.5, -1};
    p.inputs.parameters = {{"weight_ih_l0", {2, 0.2, 0.3, 0.4}}, {"weight_hh_l0", {-0.5, 0.6, -0.7, 0.8}}};
    // Nothing is accumulated before the first step, so that its share is 1, and h its z whatever i is.
    const double h1 = squash(0.2) * std::tanh(0.15);
    // The paper's equations without a stabiliser.
    const double i1 = std::exp(1), i2 = std::exp(-2 - 0.5 * h1), f2 = squash(-0.2 + 0.6 * h1);
    const double z2 = std::tanh(-0.3 - 0.7 * h1), o2 = squash(-0.4 + 0.8 * h1);
    const double h2 = o2 * (f2 * i1 * std::tanh(0.15) + i2 * z2) / (f2 * i1 + i2);
    const Outputs out = reference::forward<double>(p.spec, 2, 1, p.inputs);
    EXPECT_NEAR(out.y[0], h1, 1e-15);
    EXPECT_NEAR(out.y[1], h2, 1e-15);
    const double m = std::log(f2) + 1;  // larger than the exponent of i2
    EXPECT_NEAR(out.final_states[3][0], m, 1e-15);
    EXPECT_NEAR(out.final_states[2][0], (f2 * i1 + i2) / std::exp(m), 1e-15);
}

TEST(OracleTest, OneStepOfTheMinimalCellsByHand) {
    Problem p = one_unit({.cell = "mingru"});
    p.inputs.states = {{0.25}};
    p.inputs.parameters = {{"weight_ih_l0", {0.2, 0.3}}, {"bias_ih_l0", {0.1, -0.4}}};
    const double z = squash(0.2);
    EXPECT_NEAR(reference::forward<double>(p.spec, 1, 1, p.inputs).y[0], (1 - z) * 0.25 + z * -0.25, 1e-15);
    p.spec.layers[0].cell = "minlstm";
    p.inputs.parameters = {{"weight_ih_l0", {0.2, 0.6, 0.3}}, {"bias_ih_l0", {0.1, 0.2, -0.4}}};
    const double i = squash(0.2), f = squash(0.5);
    EXPECT_NEAR(reference::forward<double>(p.spec, 1, 1, p.inputs).y[0], (f * 0.25 + i * -0.25) / (f + i), 1e-15);
}

/// (v - mean)/sqrt(variance + 1e-5)
std::vector<double> normal(std::vector<double> v) {
    double mean = 0, variance = 0;
    for (const double x : v) mean += x / static_cast<double>(v.size());
    for (const double x : v) variance += (x - mean) * (x - mean) / static_cast<double>(v.size());
    for (double& x : v) x = (x - mean) / std::sqrt(variance + static_cast<double>(1e-5f));
    return v;
}

TEST(OracleTest, OneStepOfTheLayerNormalisedCellsByHand) {
    Problem p = one_unit({.cell = "lnlstm"});
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.2, 0.3, 0.5}},
                           {"weight_hh_l0", {-0.5, 0.6, -0.7, 0.8}},
                           {"weight_norm_l0", {1, 2, 3, 4, 5, 6, 7, 8, 0.9, 0.1, 0.2, 0.3, 0.4, 0.25}}};
    p.inputs.states = {{0.25}, {-0.75}};
    const std::vector<double> x = normal({0.05, 0.1, 0.15, 0.25}), h = normal({-0.125, 0.15, -0.175, 0.2});
    const double i = squash(x[0] + 5 * h[0] + 0.1), f = squash(2 * x[1] + 6 * h[1] + 0.2);
    const double c = f * -0.75 + i * std::tanh(3 * x[2] + 7 * h[2] + 0.3);
    const Outputs lstm = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_NEAR(lstm.final_states[1][0], c, 1e-14);
    EXPECT_NEAR(lstm.y[0], squash(4 * x[3] + 8 * h[3] + 0.4) * std::tanh(0.25), 1e-14) << "one c is its own mean";

    p.spec.layers[0].cell = "lngru";
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.2, 0.3}},
                           {"weight_hh_l0", {-0.5, 0.6, -0.7}},
                           {"weight_norm_l0", {1, 2, 3, 4, 5, 6, 0.1, 0.2, 0.3, 0.4}}};
    p.inputs.states = {{0.25}};
    const std::vector<double> gx = normal({0.05, 0.1}), gh = normal({-0.125, 0.15});
    const double r = squash(gx[0] + 4 * gh[0] + 0.1), z = squash(2 * gx[1] + 5 * gh[1] + 0.2);
    const double n = std::tanh(0.3 + r * 0.4);  // n is normalised for itself: one value is its own mean
    EXPECT_NEAR(reference::forward<double>(p.spec, 1, 1, p.inputs).y[0], (1 - z) * n + z * 0.25, 1e-14);
}

TEST(OracleTest, NoiseOfAStepByHand) {
    Problem p = one_unit({.cell = "lstm", .biases = Biases::none});
    LayerSpec& layer = p.spec.layers[0];
    layer.recurrent_dropout = 0.5;
    layer.weight_dropout = 0.2;
    layer.zoneout = 0.25;
    layer.zoneout_cell = 0.5;
    p.inputs.parameters = {{"weight_ih_l0", {0.1, 0.2, 0.3, 0.4}}, {"weight_hh_l0", {-0.5, 0.6, -0.7, 0.8}}};
    p.inputs.states = {{0.25}, {-0.75}};
    const auto step = [&](double h, std::array<double, 4> w) {
        const double c = squash(0.1 + w[1] * h) * -0.75 + squash(0.05 + w[0] * h) * std::tanh(0.15 + w[2] * h);
        return std::array{squash(0.2 + w[3] * h) * std::tanh(c), c};
    };
    const auto [h, c] = step(0.25, {-0.5, 0.6, -0.7, 0.8});
    const Outputs expectation = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_NEAR(expectation.y[0], 0.25 * 0.25 + 0.75 * h, 1e-15);
    EXPECT_NEAR(expectation.final_states[1][0], 0.5 * -0.75 + 0.5 * c, 1e-15);
    p.inputs.noise = {
        {"recurrent_l0", {2}}, {"weight_hh_l0", {1.25, 0, 1.25, 0}}, {"zoneout_h_l0", {0}}, {"zoneout_c_l0", {1}}};
    const Outputs drawn = reference::forward<double>(p.spec, 1, 1, p.inputs);
    EXPECT_NEAR(drawn.y[0], step(0.5, {-0.625, 0, -0.875, 0})[0], 1e-15) << "made of the c before zoneout";
    EXPECT_EQ(drawn.final_states[1][0], -0.75);
}

TEST(OracleTest, RefusesWhatItHasNoEquationsFor) {
    Problem p = one_unit({.cell = "fancy"});
    EXPECT_THROW(reference::forward<double>(p.spec, 1, 1, p.inputs), Error);
    p.spec.layers[0].cell = "gru";
    EXPECT_THROW(reference::forward<double>(p.spec, 1, 1, p.inputs), Error) << "parameters are missing";
}

/// L = Σ output·upstream, as `gradients` has it.
template <class S>
S loss(const Problem& p, const reference::Outputs<S>& out) {
    S sum(0);
    auto add_steps = [&](const std::vector<S>& values, const Tensor& weights) {
        const std::size_t B = static_cast<std::size_t>(p.batch);
        const std::size_t width = weights.size() / (static_cast<std::size_t>(p.steps) * B);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const auto t = static_cast<std::int64_t>(i / width / B), b = static_cast<std::int64_t>(i / width % B);
            if (t < p.length(b)) sum += values[i] * weights[i];
        }
    };
    add_steps(out.y, p.upstream.y);
    for (std::size_t s = 0; s < out.final_states.size(); ++s) {
        add_steps(out.state_steps[s], p.upstream.state_steps[s]);
        for (std::size_t i = 0; i < out.final_states[s].size(); ++i)
            sum += out.final_states[s][i] * p.upstream.final_states[s][i];
    }
    return sum;
}

struct Slopes {
    double by_complex_step = 0, by_reverse = 0, magnitude = 0;  ///< magnitude: Σ|gradient·direction|
};

/// The derivative of L along a random direction through all inputs, both ways.
Slopes slopes(const Problem& p, const Result& gradients, Random& random) {
    Slopes s;
    auto move = [&](const Tensor& values, const Tensor& gradient) {
        std::vector<Complex> moved;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double direction = random.uniform();
            moved.emplace_back(values[i], direction * kStep);
            s.by_reverse += gradient[i] * direction;
            s.magnitude += std::abs(gradient[i] * direction);
        }
        return moved;
    };
    reference::Inputs<Complex> in;
    for (const auto& [name, values] : p.inputs.parameters)
        in.parameters[name] = move(values, gradients.dparameters.at(name));
    in.x = move(p.inputs.x, gradients.dx);
    for (std::size_t i = 0; i < p.inputs.states.size(); ++i)
        in.states.push_back(move(p.inputs.states[i], gradients.dstates[i]));
    in.lengths = p.inputs.lengths;
    for (const Tensor& mask : p.inputs.masks) in.masks.emplace_back(mask.begin(), mask.end());
    for (const auto& [name, drawn] : p.inputs.noise) in.noise[name] = {drawn.begin(), drawn.end()};
    s.by_complex_step = loss(p, reference::run<Complex>(p.spec, p.steps, p.batch, in)).imag() / kStep;
    return s;
}

/// A mask of zeros and 1/(1 - rate) for every layer that drops out.
void draw_masks(Problem& p, Random& random) {
    for (std::size_t l = 0; l < p.spec.layers.size(); ++l) {
        Tensor mask;
        const double rate = p.spec.layers[l].dropout;
        const std::int64_t width = reference::input_width(p.spec, static_cast<int>(l));
        for (std::int64_t i = 0; rate > 0 && i < p.steps * p.batch * width; ++i)
            mask.push_back(random.uniform() < 2 * rate - 1 ? 0 : 1 / (1 - rate));
        p.inputs.masks.push_back(mask);
    }
    if (random.below(4) == 0) return;  // the expectation
    for (const reference::Noise& noise : reference::noise(p.spec)) {
        const bool zoneout = noise.kind >= reference::Noise::Kind::zoneout;
        Tensor& drawn = p.inputs.noise[noise.name];
        for (std::int64_t i = 0; i < (zoneout ? p.steps : 1) * p.batch * noise.width; ++i)
            drawn.push_back(random.below(2) == 0 ? 0 : zoneout ? 1 : 1 / (1 - noise.rate));
    }
}

TEST(OracleTest, ReverseModeAgreesWithTheComplexStep) {
    std::vector<Case> cases = single_layer_cases();
    for (Case& c : stack_cases(150)) cases.push_back(std::move(c));
    Random random(5);
    double worst = 0;
    int checked = 0;
    for (const Case& c : cases) {
        if (c.spec.layers[0].hidden > 9) continue;
        Problem p = make_problem(c);
        draw_masks(p, random);
        const Result gradients = expected(p);
        for (int n = 0; n < 2; ++n) {
            const Slopes s = slopes(p, gradients, random);
            const double error = std::abs(s.by_complex_step - s.by_reverse) / s.magnitude;
            EXPECT_LE(error, 1e-13) << p.name;
            worst = std::max(worst, error);
        }
        ++checked;
    }
    EXPECT_GT(checked, 400);
    std::printf("[  SUMMARY ] complex step against reverse mode: %d configurations, worst relative error %.2g\n",
                checked, worst);
}

TEST(OracleTest, GradientsGiveTheForwardPassItself) {
    for (const Case& c : stack_cases(20)) {
        const Problem p = make_problem(c);
        const Result r = expected(p);
        const Outputs out = reference::forward<double>(p.spec, p.steps, p.batch, p.inputs);
        EXPECT_EQ(r.outputs.y, out.y) << p.name;
        EXPECT_EQ(r.outputs.final_states, out.final_states) << p.name;
        EXPECT_EQ(r.outputs.state_steps, out.state_steps) << p.name;
    }
}

}  // namespace
}  // namespace rondo::test
