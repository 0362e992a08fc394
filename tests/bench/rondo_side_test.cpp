/// Rondo's side of the comparison with cuDNN, on the CPU: every output is written, whatever the row asks for.
#include "gpu/rondo_side.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace rondo::bench {
namespace {

/// Largest distance over the largest value; NaN where any is, as in outputs that nobody wrote.
double apart(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0, most = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
        const double d = std::abs(a[i] - b[i]);
        if (!(d <= most)) most = d;
        if (std::isnan(most)) return most;
        largest = std::max(largest, std::abs(b[i]));
    }
    return most / largest;
}

TEST(BenchRondoSide, CarriedStatesAreReadAndWritten) {
    Row row{.dtype = "f32", .hidden = 12, .input = 5, .batch = 3, .steps = 4, .layers = 2, .directions = 2};
    row.carried = true;
    row.projection = 7;
    row.cell_clip = 0.25;
    row.biases = Biases::one;
    const Problem problem(row);
    RondoSide reference(Device::cpu(1), Stream{}, problem, Precision::f64());
    RondoSide side(Device::cpu(1), Stream{}, problem, Precision::f32());
    reference.run();
    side.run();
    EXPECT_EQ(side.final_state(0).size(), 2u * 2 * 3 * 7);
    EXPECT_EQ(side.final_state(1).size(), 2u * 2 * 3 * 12);
    EXPECT_LE(apart(side.y(), reference.y()), 1e-5);
    EXPECT_LE(apart(side.dparameters(), reference.dparameters()), 1e-4);
    for (int state : {0, 1}) {
        EXPECT_LE(apart(side.final_state(state), reference.final_state(state)), 1e-5) << state;
        EXPECT_LE(apart(side.dinitial_state(state), reference.dinitial_state(state)), 1e-4) << state;
    }
    const std::vector<double> c = reference.final_state(1);
    EXPECT_EQ(*std::max_element(c.begin(), c.end()), 0.25);  // where it was clipped

    row.carried = false;
    const Problem without(row);
    RondoSide from_zero(Device::cpu(1), Stream{}, without, Precision::f64());
    from_zero.run();
    EXPECT_TRUE(from_zero.final_state(0).empty());
    EXPECT_GT(apart(from_zero.y(), reference.y()), 0.01);  // the states given are in the result
}

TEST(BenchRondoSide, APartRunsByItself) {
    const Row row{.dtype = "f32", .hidden = 6, .input = 5, .batch = 3, .steps = 4};
    const Problem problem(row);
    RondoSide side(Device::cpu(1), Stream{}, problem, Precision::f32());
    side.run();
    const std::vector<double> y = side.y(), dx = side.dx();
    for (const Part& part : parts_of(side.plan())) {
        EXPECT_NO_THROW(side.run(only(side.plan(), part))) << part.name;
        EXPECT_EQ(side.y(), y) << part.name;
        EXPECT_EQ(side.dx(), dx) << part.name;
    }
}

}  // namespace
}  // namespace rondo::bench
