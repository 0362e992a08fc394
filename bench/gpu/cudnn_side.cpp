#include "gpu/cudnn_side.hpp"

#include <array>

#include "rondo/convert.hpp"

namespace rondo::bench {

void check(cudnnStatus_t status, const char* what) {
    if (status == CUDNN_STATUS_SUCCESS) return;
    std::array<char, 512> words{};
    cudnnGetLastErrorString(words.data(), words.size());
    throw Error(status == CUDNN_STATUS_NOT_SUPPORTED ? ErrorCode::unsupported : ErrorCode::device,
                detail::concat(what, ": ", cudnnGetErrorString(status), ": ", words.data()));
}

const char* name_of(cudnnRNNAlgo_t algorithm) {
    switch (algorithm) {
        case CUDNN_RNN_ALGO_STANDARD:
            return "STANDARD";
        case CUDNN_RNN_ALGO_PERSIST_STATIC:
            return "PERSIST_STATIC";
        case CUDNN_RNN_ALGO_PERSIST_DYNAMIC:
            return "PERSIST_DYNAMIC";
        case CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H:
            return "PERSIST_STATIC_SMALL_H";
        default:
            return "unknown";
    }
}

CudnnSide::CudnnSide(const Device& device, const CudnnHandle& handle, cudnnRNNAlgo_t algorithm, const Problem& problem,
                     const Plan& plan, const void* x, const void* dy)
    : device_(device),
      handle_(handle),
      algorithm_(algorithm),
      row_(problem.row),
      plan_(plan),
      storage_(problem.storage),
      mode_(problem.row.training ? CUDNN_FWD_MODE_TRAINING : CUDNN_FWD_MODE_INFERENCE),
      host_lengths_(problem.lengths.begin(), problem.lengths.end()),
      x_(x),
      dy_(dy) {
    cudaStream_t stream = nullptr;
    check(cudnnGetStream(handle_, &stream), "cudnnGetStream");
    stream_.handle = stream;
    describe();
    check(cudnnGetRNNWeightSpaceSize(handle_, rnn_, &weight_bytes_), "cudnnGetRNNWeightSpaceSize");
    check(cudnnGetRNNTempSpaceSizes(handle_, rnn_, mode_, x_descriptor_, &workspace_bytes_, &reserve_bytes_),
          "cudnnGetRNNTempSpaceSizes");
    const auto room = [&](std::size_t bytes) { return model::DeviceBuffer(device_, static_cast<std::int64_t>(bytes)); };
    lengths_ = put(host_lengths_.data(), host_lengths_.size() * sizeof(int));
    weights_ = room(weight_bytes_);
    workspace_ = room(workspace_bytes_);
    reserve_ = room(reserve_bytes_);
    y_ = room(static_cast<std::size_t>(problem.y_count() * size_of(storage_)));
    if (row_.training) {
        dweights_ = room(weight_bytes_);
        dweights_.zero(stream_);
        dx_ = room(static_cast<std::size_t>(problem.x_count() * size_of(storage_)));
    }
    place_weights(problem);
    if (row_.carried) carry_states(problem);
}

void CudnnSide::carry_states(const Problem& problem) {
    const auto given = [&](const Draws& draws, std::int64_t count) {
        const std::vector<std::byte> all = draws.make(storage_, count);
        return put(all.data(), all.size());
    };
    const auto room = [&](std::int64_t count) { return model::DeviceBuffer(device_, count * size_of(storage_)); };
    states_.hx = given(problem.h, problem.h_count());
    states_.hy = room(problem.h_count());
    states_.dhy = given(problem.dh, problem.h_count());
    states_.dhx = room(problem.h_count());
    if (row_.cell != "lstm") return;
    states_.cx = given(problem.c, problem.c_count());
    states_.cy = room(problem.c_count());
    states_.dcy = given(problem.dc, problem.c_count());
    states_.dcx = room(problem.c_count());
}

void CudnnSide::run() {
    check(cudnnRNNForward(handle_, rnn_, mode_, lengths_.as<std::int32_t>(), x_descriptor_, x_, y_descriptor_,
                          y_.data(), h_descriptor_, states_.hx.data(), states_.hy.data(), c_descriptor_,
                          states_.cx.data(), states_.cy.data(), weight_bytes_, weights_.data(), workspace_bytes_,
                          workspace_.data(), reserve_bytes_, reserve_.data()),
          "cudnnRNNForward");
    if (!row_.training) return;
    check(cudnnRNNBackwardData_v8(handle_, rnn_, lengths_.as<std::int32_t>(), y_descriptor_, y_.data(), dy_,
                                  x_descriptor_, dx_.data(), h_descriptor_, states_.hx.data(), states_.dhy.data(),
                                  states_.dhx.data(), c_descriptor_, states_.cx.data(), states_.dcy.data(),
                                  states_.dcx.data(), weight_bytes_, weights_.data(), workspace_bytes_,
                                  workspace_.data(), reserve_bytes_, reserve_.data()),
          "cudnnRNNBackwardData_v8");
    check(cudnnRNNBackwardWeights_v8(handle_, rnn_, CUDNN_WGRAD_MODE_ADD, lengths_.as<std::int32_t>(), x_descriptor_,
                                     x_, h_descriptor_, states_.hx.data(), y_descriptor_, y_.data(), weight_bytes_,
                                     dweights_.data(), workspace_bytes_, workspace_.data(), reserve_bytes_,
                                     reserve_.data()),
          "cudnnRNNBackwardWeights_v8");
}

MemoryUse CudnnSide::memory() const {
    return {static_cast<std::size_t>(weights_.bytes() + dweights_.bytes()), workspace_bytes_, reserve_bytes_, 0};
}

model::DeviceBuffer CudnnSide::put(const void* data, std::size_t bytes) const {
    model::DeviceBuffer buffer(device_, static_cast<std::int64_t>(bytes));
    device_.backend().upload(buffer.data(), data, bytes, stream_);
    return buffer;
}

std::vector<double> CudnnSide::values(const model::DeviceBuffer& buffer) const {
    std::vector<std::byte> raw(static_cast<std::size_t>(buffer.bytes()));
    device_.backend().download(raw.data(), buffer.data(), raw.size(), stream_);
    device_.backend().synchronize(stream_);
    std::vector<double> made(static_cast<std::size_t>(buffer.bytes() / size_of(storage_)));
    convert_elements(DType::f64, made.data(), storage_, raw.data(), static_cast<std::int64_t>(made.size()));
    return made;
}

}  // namespace rondo::bench
