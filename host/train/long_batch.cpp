#include <algorithm>

#include "train/trainer_impl.hpp"

namespace rondo::train {

void require_language_model(const Network& network) {
    const std::vector<InputSpec>& inputs = network.spec().inputs;
    const bool fits = inputs.size() == 2 && inputs[0].dtype == DType::i32 && inputs[1].dtype == DType::i32;
    require(fits, "inputs", inputs.size(), "must be (tokens, targets), both i32, to read token streams");
}

LongBatch::LongBatch(const NetworkSpec& spec, std::span<const Sequence> inputs)
    : inputs_(inputs), slices_(inputs.begin(), inputs.end()), lengths_(inputs.size()) {
    require(inputs.size() == spec.inputs.size(), "inputs", inputs.size(),
            detail::concat("must be ", spec.inputs.size(), ", one a NetworkSpec::inputs"));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Shape& shape = inputs[i].data.shape;
        if (!inputs[i].data) continue;
        require(shape.rank() == (spec.inputs[i].width > 0 ? 3 : 2), spec.inputs[i].name, shape,
                "must have steps [T,B,...] to be cut along time");
        require(steps_ == 0 || (shape[0] == steps_ && shape[1] == rows_), spec.inputs[i].name, shape,
                "must have the T and B of the other inputs");
        steps_ = shape[0];
        rows_ = shape[1];
        lengths_[i].resize(inputs[i].lengths.size());
    }
    require(steps_ >= 1, "steps", steps_, "must be at least 1");
}

std::span<const Sequence> LongBatch::slice(std::int64_t begin, std::int64_t end) const {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const ConstView& whole = inputs_[i].data;
        if (!whole) continue;
        Shape shape{end - begin};
        for (int d = 1; d < whole.shape.rank(); ++d) shape.append(whole.shape[d]);
        const std::int64_t step = whole.shape.size() / whole.shape[0] * size_of(whole.dtype);
        slices_[i].data = {static_cast<const std::byte*>(whole.data) + begin * step, whole.dtype, shape};
        for (std::size_t b = 0; b < lengths_[i].size(); ++b)
            lengths_[i][b] = std::clamp<std::int64_t>(inputs_[i].lengths[b] - begin, 0, end - begin);
        slices_[i].lengths = lengths_[i];
    }
    return slices_;
}

}  // namespace rondo::train
