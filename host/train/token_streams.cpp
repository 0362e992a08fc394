#include "rondo/text.hpp"

namespace rondo {

TokenStreams::TokenStreams(std::span<const std::int32_t> tokens, std::int64_t batch) : batch_(batch), steps_(0) {
    require(batch >= 1, "batch", batch, "must be at least 1");
    const auto count = static_cast<std::int64_t>(tokens.size());
    const std::int64_t length = count / batch;
    require(length >= 2, "text", detail::concat(count, " tokens"),
            detail::concat("must have at least 2 for each of the ", batch, " streams"));
    steps_ = length - 1;
    tokens_.resize(static_cast<std::size_t>(length * batch));
    for (std::int64_t t = 0; t < length; ++t)
        for (std::int64_t b = 0; b < batch; ++b)
            tokens_[static_cast<std::size_t>(t * batch + b)] = tokens[static_cast<std::size_t>(b * length + t)];
}

ConstView TokenStreams::inputs(std::int64_t begin, std::int64_t end) const {
    if (begin < 0 || end <= begin || end > steps_)
        refuse("steps", detail::concat("[", begin, ", ", end, ")"), detail::concat("must lie in [0, ", steps_, ")"));
    return ConstView(tokens_.data() + begin * batch_, {end - begin, batch_});
}

ConstView TokenStreams::targets(std::int64_t begin, std::int64_t end) const {
    const ConstView view = inputs(begin, end);
    return {static_cast<const std::int32_t*>(view.data) + batch_, view.dtype, view.shape};
}

}  // namespace rondo
