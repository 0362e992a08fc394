#pragma once
/// What the backend keeps for each stream.
#include <cuda_runtime_api.h>

#include <list>
#include <optional>
#include <vector>

#include "cuda/event.hpp"
#include "cuda/gpu.hpp"
#include "cuda/memory.hpp"
#include "cuda/staging.hpp"
#include "rondo/device.hpp"

namespace rondo::cuda {

inline cudaStream_t handle_of(Stream stream) noexcept { return static_cast<cudaStream_t>(stream.handle); }

/// A stream of the current GPU that does not wait for the legacy default stream.
cudaStream_t make_stream();

/// Memory that is taken when it is first asked for, which must not be while its stream captures a graph.
class LazyBuffer {
public:
    LazyBuffer(int ordinal, std::size_t bytes) : ordinal_(ordinal), bytes_(bytes) {}
    Buffer& on(cudaStream_t stream);

private:
    int ordinal_;
    std::size_t bytes_;
    std::optional<Buffer> buffer_;
};

/// Memory that operations on one stream use in turn: cuBLASLt's workspace, room for reductions and sorts, and uploads.
/// The first two grow with the GPU, whose every multiprocessor may hold part of a sum: 33 MiB (what cuBLAS asks for on
/// sm_90) and 8 MiB on an H100. A stream that only uploads takes neither.
class StreamMemory {
    LazyBuffer workspace_, scratch_;

public:
    StreamMemory(const Gpu& gpu, cudaStream_t stream);

    static std::size_t workspace_bytes(const Gpu& gpu);
    static std::size_t scratch_bytes(const Gpu& gpu);

    Buffer& workspace() { return workspace_.on(stream); }
    Buffer& scratch() { return scratch_.on(stream); }

    cudaStream_t stream;
    Staging staging;
    Event mark;
    std::vector<cudaStream_t> beside;  ///< made when they are first asked for
};

/// Those of all streams in use. One is made at once and whole, for the stream that asks first; another's when it is
/// first seen, which must not be while it captures a graph.
class StreamMemories {
public:
    explicit StreamMemories(const Gpu& gpu);
    ~StreamMemories();
    StreamMemories(const StreamMemories&) = delete;
    StreamMemories& operator=(const StreamMemories&) = delete;
    StreamMemory& of(cudaStream_t stream);
    /// The n-th stream for work beside that one's, itself for 0; the others are ours, each with a memory of its own.
    cudaStream_t beside(cudaStream_t stream, int n);
    /// Of a stream that is no more: another may get its handle.
    void forget(cudaStream_t stream) noexcept;

private:
    Gpu gpu_;
    bool first_taken_ = false;
    std::list<StreamMemory> list_;
};

}  // namespace rondo::cuda
