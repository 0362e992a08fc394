#pragma once
/// Host memory on its way to a GPU: a copy is taken at once, so that the caller goes on and may change its own.
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <memory>

#include "cuda/event.hpp"

namespace rondo::cuda {

/// Page-locked pieces used in turn. A piece is waited for only when all the others were filled since: that is how far
/// the host may run ahead. Belongs to one stream.
class Staging {
public:
    Staging();  ///< of the current GPU
    ~Staging();
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;

    /// Throws Error (state) while the stream is captured: a replay would not take the bytes anew.
    void upload(void* to, const void* from, std::size_t bytes, cudaStream_t stream);

private:
    static constexpr std::size_t kPieces = 16, kPieceBytes = std::size_t{128} << 10;

    std::unique_ptr<std::byte, void (*)(void*)> memory_;
    std::array<Event, kPieces> done_;
    std::size_t next_ = 0;
};

}  // namespace rondo::cuda
