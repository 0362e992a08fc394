#pragma once
/// CUDA's handles with owners, and what the backend keeps for each stream.
#include <cuda_runtime_api.h>

#include <deque>

#include "cuda/memory.hpp"
#include "rondo/device.hpp"

namespace rondo::cuda {

inline cudaStream_t handle_of(Stream stream) noexcept { return static_cast<cudaStream_t>(stream.handle); }

/// A stream of one's own. It does not wait for the legacy default stream.
class OwnedStream {
public:
    explicit OwnedStream(int ordinal);
    ~OwnedStream();
    OwnedStream(const OwnedStream&) = delete;
    OwnedStream& operator=(const OwnedStream&) = delete;

    operator Stream() const noexcept { return {handle_}; }
    cudaStream_t handle() const noexcept { return handle_; }

private:
    cudaStream_t handle_ = nullptr;
};

/// Memory that operations on one stream use in turn: cuBLASLt's workspace, and room for reductions and sorts.
struct StreamMemory {
    StreamMemory(int ordinal, cudaStream_t stream);

    static constexpr std::size_t kWorkspace = std::size_t{32} << 20;  ///< what cuBLAS itself takes on sm_90
    static constexpr std::size_t kScratch = std::size_t{8} << 20;

    cudaStream_t stream;
    Buffer workspace, scratch;
};

/// Those of all streams that were ever used. The first one's are made at once, so that even the first step on it
/// allocates nothing; another stream's when it is first seen, which must not be while it captures a graph.
class StreamMemories {
public:
    explicit StreamMemories(int ordinal);
    StreamMemory& of(cudaStream_t stream);

private:
    int ordinal_;
    bool first_taken_ = false;
    std::deque<StreamMemory> list_;
};

}  // namespace rondo::cuda
