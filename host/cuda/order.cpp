/// Streams, marks in them, and work that is recorded once and run again.
#include <algorithm>

#include "cuda/check.hpp"
#include "cuda/cuda_backend.hpp"

namespace rondo {
namespace {

cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }

}  // namespace

/// It does not wait for the legacy default stream.
Stream CudaBackend::make_stream() {
    const cuda::CurrentGpu current(gpu_.ordinal);
    return {cuda::make_stream()};
}
void CudaBackend::free_stream(Stream stream) noexcept {
    static_cast<void>(cudaStreamSynchronize(cuda::handle_of(stream)));  // it uses the memory that is given up here
    memories_.forget(cuda::handle_of(stream));
    static_cast<void>(cudaStreamDestroy(cuda::handle_of(stream)));
}

void* CudaBackend::make_event() {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cudaEvent_t made = nullptr;
    cuda::check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return made;
}
void CudaBackend::free_event(void* event) noexcept {
    static_cast<void>(cudaEventSynchronize(event_of(event)));
    static_cast<void>(cudaEventDestroy(event_of(event)));
}
void CudaBackend::mark(void* event, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::check(cudaEventRecord(event_of(event), cuda::handle_of(stream)), "cudaEventRecord");
}
void CudaBackend::wait(void* event) {
    cuda::check(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize");
    findings_.report();
}

Stream CudaBackend::beside(Stream stream, int n) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    return {memories_.beside(cuda::handle_of(stream), n)};
}
void CudaBackend::order(std::span<const Wait> waits) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // All marks come before the first wait. A wait is for the mark as it stands when it is queued: one event a stream
    // will do for all.
    for (const Wait& wait : waits) {
        const auto same = [&](const Wait& other) { return other.before.handle == wait.before.handle; };
        if (&*std::find_if(waits.begin(), waits.end(), same) != &wait) continue;
        cuda::check(cudaEventRecord(memory_of(wait.before).mark.handle(), cuda::handle_of(wait.before)),
                    "cudaEventRecord");
    }
    for (const Wait& wait : waits)
        cuda::check(cudaStreamWaitEvent(cuda::handle_of(wait.after), memory_of(wait.before).mark.handle(), 0),
                    "cudaStreamWaitEvent");
}

bool CudaBackend::can_record(Stream stream) const {
    return stream.handle != nullptr && cuda::handle_of(stream) != cudaStreamLegacy;
}

void* CudaBackend::record(Stream stream, const std::function<void()>& work) {
    require(can_record(stream), "stream", "the legacy default stream", "must be another one to record");
    const cuda::CurrentGpu current(gpu_.ordinal);
    const cudaStream_t handle = cuda::handle_of(stream);
    cudaGraph_t graph = nullptr;
    cuda::check(cudaStreamBeginCapture(handle, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
        work();
    } catch (...) {
        static_cast<void>(cudaStreamEndCapture(handle, &graph));
        static_cast<void>(cudaGraphDestroy(graph));
        static_cast<void>(cudaGetLastError());
        throw;
    }
    cuda::check(cudaStreamEndCapture(handle, &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));
    cuda::check(status, "cudaGraphInstantiate");
    return executable;
}

void CudaBackend::replay(void* recording, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), cuda::handle_of(stream)), "cudaGraphLaunch");
}
void CudaBackend::free_recording(void* recording) noexcept {
    static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording)));
}

}  // namespace rondo
