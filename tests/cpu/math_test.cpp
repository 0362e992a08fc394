// exp, tanh, sigmoid and log of every instruction set, against long double.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "cpu/table.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using cpu::Elementary;
using cpu::Isa;

long double truth(Elementary f, long double x) {
    switch (f) {
        case Elementary::exp:
            return std::exp(x);
        case Elementary::tanh:
            return std::tanh(x);
        case Elementary::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Elementary::log:
            return std::log(x);
    }
    return 0;
}

template <class T>
std::vector<T> evaluate(Isa isa, Elementary f, const std::vector<T>& x) {
    std::vector<T> y(x.size());
    const cpu::Table& table = cpu::table_of(isa);
    (sizeof(T) == 4 ? table.f32 : table.f64).evaluate(f, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    return y;
}

/// |y - truth| in units in the last place of the truth; a result below the normal numbers counts in the smallest
/// denormal.
template <class T>
double ulps(T y, long double truth) {
    const long double largest = std::numeric_limits<T>::max();
    if (std::abs(truth) > largest) return std::isinf(y) || std::abs(y) == largest ? 0 : 1e30;
    int exponent = 0;
    std::frexp(truth, &exponent);
    exponent = std::max(exponent, std::numeric_limits<T>::min_exponent);
    const long double ulp = std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits);
    return static_cast<double>(std::abs(y - truth) / ulp);
}

/// Where each function is tried: from tiny to beyond where it saturates.
template <class T>
std::vector<T> arguments(Elementary f, std::size_t count) {
    test::Random random(7);
    std::vector<T> x(count);
    const bool narrow = sizeof(T) == 4;
    for (std::size_t i = 0; i < count; ++i) {
        const double u = random.uniform();
        if (f == Elementary::log) {
            x[i] = static_cast<T>(std::exp(u * (i % 2 ? 1 : narrow ? 88 : 700)));
        } else if (i % 3 == 0) {
            x[i] = static_cast<T>(std::copysign(std::exp2(-40 * std::abs(u)), u));
        } else if (i % 3 == 1) {
            x[i] = static_cast<T>(u * 10);
        } else {
            x[i] = static_cast<T>(u * (narrow ? 86 : 700));
        }
    }
    return x;
}

struct Bound {
    Elementary function;
    double fused, plain;  // with a fused multiply-add, and without
};
constexpr Bound kBounds[] = {
    {Elementary::exp, 1.2, 2}, {Elementary::tanh, 2.6, 5}, {Elementary::sigmoid, 2.6, 5}, {Elementary::log, 1.2, 2}};

template <class T>
void expect_accurate(std::size_t count) {
    for (Isa isa : test::isas())
        for (const Bound& bound : kBounds) {
            const std::vector<T> x = arguments<T>(bound.function, count), y = evaluate(isa, bound.function, x);
            double worst = 0;
            T at = 0;
            for (std::size_t i = 0; i < count; ++i) {
                const double error = ulps(y[i], truth(bound.function, x[i]));
                if (!(error <= worst)) {
                    worst = error;
                    at = x[i];
                }
            }
            EXPECT_LE(worst, isa == Isa::baseline ? bound.plain : bound.fused)
                << cpu::name_of(isa) << ", function " << static_cast<int>(bound.function) << ", at " << at;
            testing::Test::RecordProperty(
                std::string(cpu::name_of(isa)) + std::to_string(static_cast<int>(bound.function)),
                std::to_string(worst));
        }
}

TEST(Math, F32IsAccurate) { expect_accurate<float>(300000); }
TEST(Math, F64IsAccurate) { expect_accurate<double>(300000); }

template <class T>
void expect_specials() {
    const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    const T tiny = std::numeric_limits<T>::denorm_min(), huge = std::numeric_limits<T>::max();
    const T largest = static_cast<T>(std::log(static_cast<long double>(huge)));
    const T smallest = static_cast<T>(std::log(static_cast<long double>(tiny)));
    for (Isa isa : test::isas()) {
        SCOPED_TRACE(cpu::name_of(isa));
        auto is = [&](Elementary f, T x, T expected) {
            const T y = evaluate<T>(isa, f, {x})[0];
            EXPECT_TRUE(std::isnan(expected) ? std::isnan(y)
                                             : y == expected && std::signbit(y) == std::signbit(expected))
                << static_cast<int>(f) << "(" << x << ") = " << y << ", expected " << expected;
        };
        for (Elementary f : {Elementary::exp, Elementary::tanh, Elementary::sigmoid, Elementary::log}) is(f, nan, nan);
        is(Elementary::exp, 0, 1);
        is(Elementary::exp, T(-0.0), 1);
        is(Elementary::exp, inf, inf);
        is(Elementary::exp, huge, inf);
        is(Elementary::exp, largest * T(1.001), inf);
        is(Elementary::exp, -inf, 0);
        is(Elementary::exp, -huge, 0);
        is(Elementary::exp, smallest * T(1.01), 0);
        EXPECT_TRUE(std::isfinite(evaluate<T>(isa, Elementary::exp, {largest * T(0.9999)})[0]));
        EXPECT_GT(evaluate<T>(isa, Elementary::exp, {smallest * T(0.99)})[0], T(0));
        is(Elementary::tanh, 0, 0);
        is(Elementary::tanh, T(-0.0), T(-0.0));
        is(Elementary::tanh, tiny, tiny);
        is(Elementary::tanh, -tiny, -tiny);
        is(Elementary::tanh, inf, 1);
        is(Elementary::tanh, -inf, -1);
        is(Elementary::tanh, huge, 1);
        is(Elementary::sigmoid, 0, T(0.5));
        is(Elementary::sigmoid, inf, 1);
        is(Elementary::sigmoid, huge, 1);
        is(Elementary::sigmoid, -inf, 0);
        is(Elementary::sigmoid, -huge, 0);
        is(Elementary::log, 1, 0);
        is(Elementary::log, 0, -inf);
        is(Elementary::log, T(-0.0), -inf);
        is(Elementary::log, inf, inf);
        is(Elementary::log, -1, nan);
        is(Elementary::log, -inf, nan);
        EXPECT_LE(ulps(evaluate<T>(isa, Elementary::log, {tiny})[0], std::log(static_cast<long double>(tiny))), 1.2);
        EXPECT_LE(ulps(evaluate<T>(isa, Elementary::log, {huge})[0], std::log(static_cast<long double>(huge))), 1.2);
    }
}

TEST(Math, F32Specials) { expect_specials<float>(); }
TEST(Math, F64Specials) { expect_specials<double>(); }

// Every lane gives what the first does.
TEST(Math, LanesAgree) {
    for (Isa isa : test::isas())
        for (Elementary f : {Elementary::exp, Elementary::tanh, Elementary::sigmoid, Elementary::log}) {
            const std::vector<float> x = arguments<float>(f, 37), y = evaluate(isa, f, x);
            for (std::size_t i = 0; i < x.size(); ++i)
                EXPECT_EQ(std::bit_cast<std::uint32_t>(y[i]),
                          std::bit_cast<std::uint32_t>(evaluate<float>(isa, f, {x[i]})[0]));
        }
}

}  // namespace
}  // namespace rondo
