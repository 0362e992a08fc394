#include "cuda/staging.hpp"

#include <algorithm>
#include <cstring>

#include "cuda/check.hpp"
#include "cuda/memory.hpp"

namespace rondo::cuda {

Staging::Staging()
    : memory_(static_cast<std::byte*>(allocate_host(kPieces * kPieceBytes)), [](void* p) { free_host(p); }) {}

Staging::~Staging() {
    for (const Event& event : done_) static_cast<void>(cudaEventSynchronize(event.handle()));
}

void Staging::upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone)
        throw Error(ErrorCode::state, "upload: must stand before what is captured, a replay would not repeat it");
    for (std::size_t at = 0; at < bytes; at += kPieceBytes) {
        const std::size_t size = std::min(bytes - at, kPieceBytes);
        std::byte* const piece = memory_.get() + next_ * kPieceBytes;
        const cudaError_t done = cudaEventQuery(done_[next_].handle());
        if (done == cudaErrorNotReady)
            check(cudaEventSynchronize(done_[next_].handle()), "cudaEventSynchronize");
        else
            check(done, "cudaEventQuery");
        std::memcpy(piece, static_cast<const std::byte*>(from) + at, size);
        check(cudaMemcpyAsync(static_cast<std::byte*>(to) + at, piece, size, cudaMemcpyHostToDevice, stream),
              "cudaMemcpyAsync");
        check(cudaEventRecord(done_[next_].handle(), stream), "cudaEventRecord");
        next_ = (next_ + 1) % kPieces;
    }
}

}  // namespace rondo::cuda
