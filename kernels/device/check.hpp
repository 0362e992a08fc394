#pragma once
/// Turning a failed CUDA call into an Error.
#include <cuda_runtime_api.h>

#include "rondo/error.hpp"

namespace rondo::device {

/// Throws Error (out_of_memory or device) that reads "what: text (name)" unless the call succeeded.
inline void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    // A failed call also stays behind as the thread's last error, where a later, innocent call would be blamed for it.
    static_cast<void>(cudaGetLastError());
    const ErrorCode code = status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device;
    throw Error(code,
                rondo::detail::concat(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")"));
}

}  // namespace rondo::device
