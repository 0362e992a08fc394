#pragma once
/// Turning failed library calls into Errors.
#include <cublasLt.h>

#include "device/check.hpp"

namespace rondo::cuda {

using device::check;

/// Throws Error (out_of_memory or device) that reads "what: text" unless the call succeeded.
inline void check(cublasStatus_t status, const char* what) {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    const ErrorCode code = status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorCode::out_of_memory : ErrorCode::device;
    throw Error(code, detail::concat(what, ": ", cublasLtGetStatusString(status)));
}

}  // namespace rondo::cuda
