#include "cuda/stream.hpp"

#include <algorithm>

#include "cuda/check.hpp"

namespace rondo::cuda {

std::size_t StreamMemory::workspace_bytes(const Gpu& gpu) {
    return static_cast<std::size_t>(gpu.multiprocessors) * 256 * 1024;
}

std::size_t StreamMemory::scratch_bytes(const Gpu& gpu) {
    return std::max<std::size_t>(static_cast<std::size_t>(gpu.multiprocessors) * 64 * 1024, 1024 * 1024);
}

StreamMemory::StreamMemory(const Gpu& gpu, cudaStream_t s)
    : stream(s),
      workspace(gpu.ordinal, workspace_bytes(gpu)),
      scratch(gpu.ordinal, scratch_bytes(gpu)),
      staging(gpu.ordinal) {}

StreamMemories::StreamMemories(const Gpu& gpu) : gpu_(gpu) { list_.emplace_back(gpu, nullptr); }

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
    return list_.emplace_back(gpu_, stream);
}

void StreamMemories::forget(cudaStream_t stream) noexcept {
    if (!first_taken_) return;
    if (list_.front().stream == stream)
        first_taken_ = false;
    else
        list_.remove_if([&](const StreamMemory& memory) { return memory.stream == stream; });
}

}  // namespace rondo::cuda
