#include "support/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace rondo::test {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double largest(const Tensor& values) {
    double m = 0;
    for (double v : values) m = std::max(m, std::abs(v));
    return m;
}

// NaN, and infinity that is not met by the same infinity, are infinitely far away.
double distance(double a, double b) {
    if (a == b) return 0;
    const double d = std::abs(a - b);
    return std::isfinite(d) ? d : kInfinity;
}

double ratio_of(double error, double allowed) {
    if (error == 0) return 0;
    return allowed > 0 ? error / allowed : kInfinity;
}

struct Element {
    double ratio = 0;
    std::size_t index = 0;
};

Element worst_element(const Tensor& out, const Tensor& ref, Tolerance tolerance) {
    if (out.size() != ref.size()) return {kInfinity, 0};
    const double scale = tolerance.of_largest * largest(ref);
    Element worst;
    for (std::size_t i = 0; i < ref.size(); ++i) {
        const double allowed = tolerance.relative * std::abs(ref[i]) + scale;
        const double ratio = ratio_of(distance(out[i], ref[i]), allowed);
        if (ratio > worst.ratio) worst = {ratio, i};
    }
    return worst;
}

}  // namespace

double error_ratio(const Tensor& out, const Tensor& ref, Tolerance tolerance) {
    return worst_element(out, ref, tolerance).ratio;
}

void Worst::take(double value, const std::string& at) {
    ++tensors;
    if (value > ratio || where.empty()) {
        ratio = value;
        where = at;
    }
}

void Worst::take(const Problem& problem, const Result& out, const Result& ref, Tolerance tolerance) {
    for_each_tensor(problem.spec, out, ref, [&](const std::string& name, const Tensor& a, const Tensor& b) {
        take(error_ratio(a, b, tolerance), problem.name + " " + name);
    });
}

::testing::AssertionResult agree(const Problem& problem, const Result& out, const Result& ref, Tolerance tolerance) {
    std::string failures;
    for_each_tensor(problem.spec, out, ref, [&](const std::string& name, const Tensor& a, const Tensor& b) {
        const Element worst = worst_element(a, b, tolerance);
        if (worst.ratio <= 1) return;
        char line[256];
        if (a.size() != b.size())
            std::snprintf(line, sizeof line, "  %s: %zu elements, not %zu\n", name.c_str(), a.size(), b.size());
        else
            std::snprintf(line, sizeof line, "  %s[%zu of %zu] is %.17g, not %.17g: %.3g times what is allowed\n",
                          name.c_str(), worst.index, b.size(), a[worst.index], b[worst.index], worst.ratio);
        failures += line;
    });
    if (failures.empty()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << problem.name << ":\n" << failures;
}

void record(const std::string& what, int configurations, const Worst& worst) {
    char line[512];
    std::snprintf(line, sizeof line, "%d configurations, %d tensors, worst error %.3g of the allowed at %s",
                  configurations, worst.tensors, worst.ratio, worst.where.c_str());
    ::testing::Test::RecordProperty("summary", line);
    std::printf("[  SUMMARY ] %s: %s\n", what.c_str(), line);
}

}  // namespace rondo::test
