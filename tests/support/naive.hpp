#pragma once
/// What rounding to a storage type alone does: the yardstick of the design's proof rule 5.
#include "support/problem.hpp"

namespace rondo::test {

/// The problem with everything that a device is handed in its storage type rounded to it (x, states h, upstream
/// gradients, weight matrices), in tf32 to what its products read: from there on, the oracle in double gives the exact answer.
Problem rounded_to_storage(const Problem& problem);

/// The plain algorithm's answer: one step after the other, h and y rounded likewise after each, gates, sums
/// and c in f32. Of a problem that is rounded_to_storage.
Result naive_in_storage(const Problem& problem);

/// The unit roundoff of what a precision stores, or of its products' operands where that is larger.
double unit_roundoff(Precision precision);
/// The unit roundoff of a floating type.
double unit_roundoff(DType type);

/// Proof rule 5 for one tensor, over several draws of its numbers: in one draw of a small tensor the plain algorithm may
/// be lucky with its rounding.
class StorageError {
public:
    void take(const Tensor& out, const Tensor& naive, const Tensor& ref);
    /// max|out - ref| / (2·max|naive - ref| + 4·u·max|ref|); infinite once there was a NaN or a wrong size.
    double ratio(double unit) const;

private:
    double error_ = 0, naive_error_ = 0, largest_ = 0;
};

}  // namespace rondo::test
