#pragma once
/// The state behind the stand-ins, and how each of CUDA's functions is wrapped.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string>
#include <utility>

#include "lane/emulator/failure.hpp"
#include "lane/standin/standin.hpp"

namespace rondo::lane {

/// Thrown inside a stand-in, returned by it.
struct Status {
    cudaError_t code;
};

[[noreturn]] inline void fail(cudaError_t code) { throw Status{code}; }
inline void need(bool ok, cudaError_t code) {
    if (!ok) fail(code);
}

struct Machine {
    cudaError_t sticky = cudaSuccess;  ///< of a kernel that failed
    std::string failure;
    cudaError_t last = cudaSuccess;
    Counters counters;
    int multiprocessors = 8;
    int devices = 1;
    std::int64_t handles = 0;  ///< undestroyed
};

inline constexpr int kMostDevices = 8;

Machine& machine();

/// The calling thread's.
int current_device();

/// Remembers what a kernel did wrong: every later call returns it.
void set_failure(cudaError_t code, const std::string& text);

/// Runs the body of a stand-in, also after a failure that stays.
template <class Body>
cudaError_t call_always(Body body) {
    Machine& m = machine();
    try {
        body();
    } catch (const Status& status) {
        return m.last = status.code;
    } catch (const Failure& failure) {
        set_failure(cudaErrorLaunchFailure, failure.what());
        return m.last = m.sticky;
    }
    return m.sticky == cudaSuccess ? cudaSuccess : m.last = m.sticky;
}

/// Runs the body of a stand-in, unless a failure stays.
template <class Body>
cudaError_t call(Body body) {
    Machine& m = machine();
    return m.sticky == cudaSuccess ? call_always(body) : m.last = m.sticky;
}

}  // namespace rondo::lane
