#include "cuda/stream.hpp"

#include <algorithm>

#include "cuda/check.hpp"

namespace rondo::cuda {

namespace {

void refuse_capture(cudaStream_t stream) {
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone)
        throw Error(ErrorCode::state, "stream: run a step on it before one is captured, so that it has a workspace");
}

/// The legacy default stream is every GPU's.
void refuse_other_gpu(const Gpu& gpu, cudaStream_t stream) {
    if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread) return;
    int ordinal = gpu.ordinal;
    check(cudaStreamGetDevice(stream, &ordinal), "cudaStreamGetDevice");
    if (ordinal != gpu.ordinal)
        refuse("stream", static_cast<const void*>(stream),
               detail::concat("must be of cuda:", gpu.ordinal, ", is of cuda:", ordinal));
}

}  // namespace

Buffer& LazyBuffer::on(cudaStream_t stream) {
    if (!buffer_) {
        refuse_capture(stream);
        buffer_.emplace(ordinal_, bytes_);
    }
    return *buffer_;
}

cudaStream_t make_stream() {
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return made;
}

std::size_t StreamMemory::workspace_bytes(const Gpu& gpu) {
    return static_cast<std::size_t>(gpu.multiprocessors) * 256 * 1024;
}

std::size_t StreamMemory::scratch_bytes(const Gpu& gpu) {
    return std::max<std::size_t>(static_cast<std::size_t>(gpu.multiprocessors) * 64 * 1024, 1024 * 1024);
}

StreamMemory::StreamMemory(const Gpu& gpu, cudaStream_t s)
    : workspace_(gpu.ordinal, workspace_bytes(gpu)), scratch_(gpu.ordinal, scratch_bytes(gpu)), stream(s) {}

StreamMemories::StreamMemories(const Gpu& gpu) : gpu_(gpu) {
    const CurrentGpu current(gpu.ordinal);
    StreamMemory& first = list_.emplace_back(gpu, nullptr);
    first.workspace();
    first.scratch();
}

StreamMemories::~StreamMemories() {
    for (const StreamMemory& memory : list_)
        for (cudaStream_t beside : memory.beside) static_cast<void>(cudaStreamDestroy(beside));
}

StreamMemory& StreamMemories::of(cudaStream_t stream) {
    for (StreamMemory& memory : list_)
        if (memory.stream == stream && (first_taken_ || &memory != &list_.front())) return memory;
    refuse_other_gpu(gpu_, stream);
    if (!first_taken_) {
        first_taken_ = true;
        list_.front().stream = stream;
        return list_.front();
    }
    refuse_capture(stream);
    return list_.emplace_back(gpu_, stream);
}

cudaStream_t StreamMemories::beside(cudaStream_t stream, int n) {
    if (n == 0) return stream;
    std::vector<cudaStream_t>& made = of(stream).beside;
    const auto wanted = static_cast<std::size_t>(n);
    if (made.size() < wanted) refuse_capture(stream);
    made.reserve(wanted);
    while (made.size() < wanted) {
        const cudaStream_t another = make_stream();
        try {
            list_.emplace_back(gpu_, another);
        } catch (...) {
            static_cast<void>(cudaStreamDestroy(another));
            throw;
        }
        made.push_back(another);
    }
    return made[wanted - 1];
}

void StreamMemories::forget(cudaStream_t stream) noexcept {
    const bool first = first_taken_ && list_.front().stream == stream;
    std::vector<cudaStream_t> beside;
    for (StreamMemory& memory : list_)
        if (memory.stream == stream && (first || &memory != &list_.front())) beside.swap(memory.beside);
    for (cudaStream_t made : beside) static_cast<void>(cudaStreamDestroy(made));
    if (first) first_taken_ = false;
    StreamMemory* const front = &list_.front();
    list_.remove_if([&](const StreamMemory& memory) {
        return &memory != front &&
               (memory.stream == stream || std::find(beside.begin(), beside.end(), memory.stream) != beside.end());
    });
}

}  // namespace rondo::cuda
