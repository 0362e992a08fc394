/// The reverse-mode scalar: every operation against the complex step of the same expression.
#include "reference/reverse.hpp"

#include <gtest/gtest.h>

#include <complex>
#include <string>
#include <vector>

#include "reference/scalar.hpp"

namespace rondo::reference {
namespace {

using Complex = std::complex<double>;
using Var = Reverse<double>;

struct Expression {
    std::string name;
    Var (*reverse)(Var, Var);
    Complex (*complex)(Complex, Complex);
};

// One text, two scalars.
#define RONDO_EXPRESSION(text)                                                         \
    {                                                                                  \
#text,                                                                               \
            [](Var a, Var b) -> Var {                                                        \
                (void)b;                                                                     \
                return text;                                                                 \
            },                                                                               \
            [](Complex a, Complex b) -> Complex {                                            \
                (void)b;                                                                     \
                return text;                                                                 \
            } \
    }

const Expression kExpressions[] = {
    RONDO_EXPRESSION(a + b),
    RONDO_EXPRESSION(a - b),
    RONDO_EXPRESSION(b - a),
    RONDO_EXPRESSION(-a),
    RONDO_EXPRESSION(a* b),
    RONDO_EXPRESSION(a / b),
    RONDO_EXPRESSION(b / a),
    RONDO_EXPRESSION(a* a* a),
    RONDO_EXPRESSION(exp(a) * b),
    RONDO_EXPRESSION(tanh(a* b)),
    RONDO_EXPRESSION(relu(a)),
    RONDO_EXPRESSION(relu(-a) + b),
    RONDO_EXPRESSION(sigmoid(a) - b),
    RONDO_EXPRESSION(sigmoid(-a) * sigmoid(b)),
    RONDO_EXPRESSION(clamp(a, 0.5)),
    RONDO_EXPRESSION(clamp(a, 3.0) * b),
    RONDO_EXPRESSION(clamp(-a, 0.25)),
};
#undef RONDO_EXPRESSION

TEST(ReverseTest, AgreesWithTheComplexStep) {
    constexpr double kStep = 1e-30;
    for (const Expression& e : kExpressions)
        for (const auto& [a, b] : std::vector<std::pair<double, double>>{{0.75, -1.5}, {-0.3, 0.2}, {2.0, 4.0}}) {
            Tape<double> tape;
            const Var va = tape.variable(a), vb = tape.variable(b);
            const Var y = e.reverse(va, vb);
            tape.seed(y, 1.0);
            tape.sweep();
            const Complex by_a = e.complex({a, kStep}, b), by_b = e.complex(a, {b, kStep});
            SCOPED_TRACE(e.name + " at " + std::to_string(a) + ", " + std::to_string(b));
            EXPECT_NEAR(y.value(), by_a.real(), 1e-15 * std::abs(y.value()));
            EXPECT_NEAR(tape.gradient(va), by_a.imag() / kStep, 1e-14 * (1 + std::abs(tape.gradient(va))));
            EXPECT_NEAR(tape.gradient(vb), by_b.imag() / kStep, 1e-14 * (1 + std::abs(tape.gradient(vb))));
        }
}

TEST(ReverseTest, SumsOverEveryUse) {
    Tape<double> tape;
    const Var x = tape.variable(3.0), unused = tape.variable(1.0);
    const Var y = x * x + x, z = Var(2.0) * x;
    tape.seed(y, 10.0);
    tape.seed(z, 100.0);
    tape.seed(z, 1000.0);
    tape.seed(Var(7.0), 1.0);  // a constant takes part in nothing
    tape.sweep();
    EXPECT_EQ(tape.gradient(x), 10.0 * (2 * 3 + 1) + 1100.0 * 2);
    EXPECT_EQ(tape.gradient(unused), 0.0);
}

TEST(ReverseTest, KinksAreJudgedAsTheEnginesAre) {
    auto slope = [](double at, auto f) {
        Tape<double> tape;
        const Var x = tape.variable(at);
        tape.seed(f(x), 1.0);
        tape.sweep();
        return tape.gradient(x);
    };
    EXPECT_EQ(slope(0.0, [](Var x) { return relu(x); }), 0.0);
    EXPECT_EQ(slope(0.5, [](Var x) { return clamp(x, 0.5); }), 1.0);
    EXPECT_EQ(slope(-0.5, [](Var x) { return clamp(x, 0.5); }), 1.0);
    EXPECT_EQ(slope(0.5000001, [](Var x) { return clamp(x, 0.5); }), 0.0);
}

TEST(ReverseTest, SigmoidStaysFiniteFarOut) {
    for (const double x : {-1e4, -750.0, 750.0, 1e4}) {
        Tape<double> tape;
        const Var v = tape.variable(x);
        const Var y = sigmoid(v);
        tape.seed(y, 1.0);
        tape.sweep();
        EXPECT_EQ(y.value(), x < 0 ? 0.0 : 1.0);
        EXPECT_EQ(tape.gradient(v), 0.0);
        EXPECT_EQ(sigmoid(Complex(x, 1e-30)), Complex(y.value(), 0.0));
    }
}

}  // namespace
}  // namespace rondo::reference
