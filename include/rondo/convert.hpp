#pragma once
/// Conversions between element types on the host.
#include <cstdint>

#include "rondo/dtype.hpp"
#include "rondo/export.hpp"

namespace rondo {

/// to[i] = from[i] for `count` elements; the arrays must not overlap. Floating-point types round to nearest, ties to
/// even, straight from the source (f64 to f16 rounds once); beyond the range is infinity, NaN stays NaN. Throws Error
/// where one type is an integer and the other is not the same type, except from i32 to i64.
RONDO_API void convert_elements(DType to_type, void* to, DType from_type, const void* from, std::int64_t count);

}  // namespace rondo
