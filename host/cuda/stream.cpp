#include "cuda/stream.hpp"

#include "cuda/check.hpp"
#include "cuda/gpu.hpp"

namespace rondo::cuda {

OwnedStream::OwnedStream(int ordinal) {
    const CurrentGpu current(ordinal);
    check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

OwnedStream::~OwnedStream() { static_cast<void>(cudaStreamDestroy(handle_)); }

StreamMemory::StreamMemory(int ordinal, cudaStream_t s)
    : stream(s), workspace(ordinal, kWorkspace), scratch(ordinal, kScratch) {}

StreamMemories::StreamMemories(int ordinal) : ordinal_(ordinal) { list_.emplace_back(ordinal, nullptr); }

StreamMemory& StreamMemories::of(cudaStream_t stream) {
    if (!first_taken_) {
        first_taken_ = true;
        list_.front().stream = stream;
    }
    for (StreamMemory& memory : list_)
        if (memory.stream == stream) return memory;
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone)
        throw Error(ErrorCode::state, "stream: run a step on it before one is captured, so that it has a workspace");
    return list_.emplace_back(ordinal_, stream);
}

}  // namespace rondo::cuda
