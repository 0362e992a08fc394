#pragma once
/// How closely two results must agree (the design's proof rules 2 and 6; rule 5 is in naive.hpp), and the worst that was seen.
///
/// An error is told as a multiple of what is allowed: 1 and less passes. NaN, infinities and wrong sizes never do.
#include <gtest/gtest.h>

#include <string>

#include "support/problem.hpp"

namespace rondo::test {

/// Largest of |out - ref| / (relative·|ref| + of_largest·max|ref|) over the elements of a tensor.
struct Tolerance {
    double relative = 1e-10;
    double of_largest = 1e-13;
};
inline constexpr Tolerance kDouble{};        ///< backends against the oracle in double
inline constexpr Tolerance kPeer{0, 1e-12};  ///< PyTorch and ONNX

double error_ratio(const Tensor& out, const Tensor& ref, Tolerance tolerance);

/// The worst ratio of many comparisons, and where it was.
struct Worst {
    double ratio = 0;
    std::string where;
    int tensors = 0;
    void take(double value, const std::string& at);
    /// Of all tensors of a result.
    void take(const Problem& problem, const Result& out, const Result& ref, Tolerance tolerance);
};

/// Every tensor of `out` against `ref`; the failure names the tensor, its worst element and the problem.
::testing::AssertionResult agree(const Problem& problem, const Result& out, const Result& ref, Tolerance tolerance);

/// Writes the summary into the test's record and on the screen.
void record(const std::string& what, int configurations, const Worst& worst);

}  // namespace rondo::test
