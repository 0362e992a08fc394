#pragma once
/// How each of cuBLASLt's functions is wrapped, and what they share.
#include "lane/standin/cublaslt.hpp"
#include "lane/standin/machine.hpp"

namespace rondo::lane {

struct Refusal {
    cublasStatus_t code;
};
inline void demand(bool ok, cublasStatus_t code) {
    if (!ok) throw Refusal{code};
}

template <class Body>
cublasStatus_t run_call(Body body) {
    if (machine().sticky != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    try {
        body();
    } catch (const Refusal& refusal) {
        return refusal.code;
    } catch (const Status&) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    } catch (const Failure& failure) {
        set_failure(cudaErrorIllegalAddress, failure.what());
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

template <class To, class From>
To& inside(From* opaque) {
    demand(opaque != nullptr, CUBLAS_STATUS_INVALID_VALUE);
    return *reinterpret_cast<To*>(opaque);
}

/// Throws Refusal, unless that is a handle.
void need_handle(cublasLtHandle_t handle);

}  // namespace rondo::lane
