/// How a row is put into cuDNN's words: descriptors, and the place of every weight.
#include <algorithm>
#include <array>
#include <cstring>

#include "gpu/cudnn_side.hpp"
#include "rondo/convert.hpp"

namespace rondo::bench {
namespace {

cudnnDataType_t data_type(DType type) {
    switch (type) {
        case DType::f64:
            return CUDNN_DATA_DOUBLE;
        case DType::f16:
            return CUDNN_DATA_HALF;
        case DType::bf16:
            return CUDNN_DATA_BFLOAT16;
        default:
            return CUDNN_DATA_FLOAT;
    }
}

/// FMA_MATH keeps f32 from being rounded to tf32, which DEFAULT_MATH allows.
cudnnMathType_t math_type(const Precision& precision) {
    if (precision == Precision::f16() || precision == Precision::bf16()) return CUDNN_TENSOR_OP_MATH;
    return precision == Precision::tf32() ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
}

struct Mode {
    cudnnRNNMode_t mode;
    int gates;
};

/// The gates' order is Rondo's: i, f, g, o and r, z, n.
Mode mode_of(const std::string& cell) {
    if (cell == "lstm") return {CUDNN_LSTM, 4};
    if (cell == "gru") return {CUDNN_GRU, 3};
    if (cell == "rnn_tanh") return {CUDNN_RNN_TANH, 1};
    if (cell == "rnn_relu") return {CUDNN_RNN_RELU, 1};
    refuse("cell", cell, "cuDNN has lstm, gru, rnn_tanh, rnn_relu");
}

cudnnRNNBiasMode_t bias_mode(Biases biases) {
    if (biases == Biases::none) return CUDNN_RNN_NO_BIAS;
    return biases == Biases::one ? CUDNN_RNN_SINGLE_INP_BIAS : CUDNN_RNN_DOUBLE_BIAS;
}

std::int64_t elements_of(const TensorDescriptor& descriptor) {
    std::array<int, 4> extents{}, strides{};
    cudnnDataType_t type{};
    int rank = 0;
    check(cudnnGetTensorNdDescriptor(descriptor, 4, &type, &rank, extents.data(), strides.data()),
          "cudnnGetTensorNdDescriptor");
    std::int64_t count = 1;
    for (int i = 0; i < rank; ++i) count *= extents[static_cast<std::size_t>(i)];
    return count;
}

}  // namespace

void CudnnSide::describe() {
    const Precision precision = Precision::parse(row_.dtype);
    const auto whole = [](std::int64_t n) { return static_cast<int>(n); };
    check(cudnnSetDropoutDescriptor(dropout_, handle_, 0, nullptr, 0, 0), "cudnnSetDropoutDescriptor");
    check(
        cudnnSetRNNDescriptor_v8(rnn_, algorithm_, mode_of(row_.cell).mode, bias_mode(row_.biases),
                                 row_.directions == 2 ? CUDNN_BIDIRECTIONAL : CUDNN_UNIDIRECTIONAL, CUDNN_LINEAR_INPUT,
                                 data_type(storage_), data_type(precision.accumulate), math_type(precision),
                                 whole(row_.input), whole(row_.hidden), whole(row_.width()), whole(row_.layers),
                                 dropout_, row_.ragged ? CUDNN_RNN_PADDED_IO_ENABLED : CUDNN_RNN_PADDED_IO_DISABLED),
        "cudnnSetRNNDescriptor_v8");
    if (row_.cell_clip > 0)
        check(cudnnRNNSetClip_v9(rnn_, CUDNN_RNN_CLIP_MINMAX, -row_.cell_clip, row_.cell_clip), "cudnnRNNSetClip_v9");
    const auto layout = row_.ragged ? CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED : CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_PACKED;
    double zero = 0;  // of any type
    check(cudnnSetRNNDataDescriptor(x_descriptor_, data_type(storage_), layout, whole(row_.steps), whole(row_.batch),
                                    whole(row_.input), host_lengths_.data(), &zero),
          "cudnnSetRNNDataDescriptor");
    check(cudnnSetRNNDataDescriptor(y_descriptor_, data_type(storage_), layout, whole(row_.steps), whole(row_.batch),
                                    whole(row_.directions * row_.width()), host_lengths_.data(), &zero),
          "cudnnSetRNNDataDescriptor");
    const auto describe_state = [&](const TensorDescriptor& descriptor, std::int64_t width) {
        const std::array<int, 3> extents{whole(row_.layers * row_.directions), whole(row_.batch), whole(width)};
        const std::array<int, 3> strides{extents[1] * extents[2], extents[2], 1};
        check(cudnnSetTensorNdDescriptor(descriptor, data_type(storage_), 3, extents.data(), strides.data()),
              "cudnnSetTensorNdDescriptor");
    };
    describe_state(h_descriptor_, row_.width());
    describe_state(c_descriptor_, row_.hidden);
    if (algorithm_ == CUDNN_RNN_ALGO_PERSIST_DYNAMIC)
        check(cudnnBuildRNNDynamic(handle_, rnn_, whole(row_.batch)), "cudnnBuildRNNDynamic");
}

template <class Visit>
void CudnnSide::for_each_block(Visit visit) const {
    const int gates = mode_of(row_.cell).gates;
    const auto block = [&](const char* kind, const std::string& suffix, int gate, int parts,
                           const TensorDescriptor& descriptor, const void* address) {
        require(address != nullptr, kind + suffix, "absent", "cuDNN must have this tensor as well");
        const ParameterInfo& tensor = plan_.parameter(kind + suffix);
        const std::int64_t count = tensor.shape.size() / parts;
        require(elements_of(descriptor) == count, tensor.name, elements_of(descriptor),
                detail::concat("cuDNN's block must have ", count, " elements"));
        visit(tensor.offset + gate * count,
              (static_cast<const std::byte*>(address) - weights_.data()) / size_of(storage_), count);
    };
    const TensorDescriptor matrix, bias;
    for (int layer = 0; layer < row_.layers; ++layer)
        for (int direction = 0; direction < row_.directions; ++direction)
            // Those of x, those of h, and the projection, which an LSTM has as its ninth.
            for (int product = 0; product < 2 * gates + (row_.projection > 0 ? 1 : 0); ++product) {
                void *matrix_at = nullptr, *bias_at = nullptr;
                check(cudnnGetRNNWeightParams(handle_, rnn_, layer * row_.directions + direction, weight_bytes_,
                                              weights_.data(), product, matrix, &matrix_at, bias, &bias_at),
                      "cudnnGetRNNWeightParams");
                const bool of_x = product < gates;
                const std::string suffix = detail::concat("_l", layer, direction == 1 ? "_reverse" : "");
                if (product == 2 * gates) {
                    block("weight_hr", suffix, 0, 1, matrix, matrix_at);
                    continue;
                }
                block(of_x ? "weight_ih" : "weight_hh", suffix, product % gates, gates, matrix, matrix_at);
                if (row_.biases == Biases::two || (row_.biases == Biases::one && of_x))
                    block(of_x ? "bias_ih" : "bias_hh", suffix, product % gates, gates, bias, bias_at);
            }
}

void CudnnSide::place_weights(const Problem& problem) {
    const std::vector<std::byte> ours = problem.weights.make(storage_, plan_.parameter_count);
    std::vector<std::byte> theirs(weight_bytes_);
    const auto bytes = [this](std::int64_t count) { return static_cast<std::size_t>(count * size_of(storage_)); };
    for_each_block([&](std::int64_t our, std::int64_t their, std::int64_t count) {
        std::memcpy(theirs.data() + bytes(their), ours.data() + bytes(our), bytes(count));
    });
    device_.backend().upload(weights_.data(), theirs.data(), theirs.size(), stream_);
}

std::vector<double> CudnnSide::dparameters() const {
    const std::vector<double> theirs = values(dweights_);
    std::vector<double> ours(static_cast<std::size_t>(plan_.parameter_count));
    for_each_block([&](std::int64_t our, std::int64_t their, std::int64_t count) {
        std::copy_n(theirs.begin() + their, count, ours.begin() + our);
    });
    return ours;
}

}  // namespace rondo::bench
