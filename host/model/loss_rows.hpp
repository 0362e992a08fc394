#pragma once
/// The rows of a prediction that a loss is over.
#include "model/module.hpp"

namespace rondo::model {

/// The first row that counts. Rows before it get a gradient of zero.
inline std::int64_t first_row(const Call& call, const LossCall& loss) {
    const ValueInfo& prediction = *call.inputs[0].info;
    if (loss.begin < 0 || loss.begin >= prediction.steps())
        refuse("begin", loss.begin, detail::concat("must be in [0, ", prediction.steps(), ")"));
    const std::int64_t row = loss.begin * prediction.batch();
    if (loss.differentiate && row > 0)
        call.backend.zero(call.inputs[0].gradient,
                          static_cast<std::size_t>(row * prediction.width() * size_of(prediction.dtype)), call.stream);
    return row;
}

inline void* at_row(void* base, const ValueInfo& value, std::int64_t row) {
    return static_cast<std::byte*>(base) + row * value.width() * size_of(value.dtype);
}

/// The target has the prediction's leading extents.
inline Shape without_last(const Shape& shape) {
    Shape rows;
    for (int i = 0; i + 1 < shape.rank(); ++i) rows.append(shape[i]);
    return rows;
}

}  // namespace rondo::model
