#pragma once
/// What a range of backward's steps shows; meanings stand in host/scheduler/backend.hpp (Observation).
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/cell/element.hpp"
#include "rondo/dtype.hpp"

namespace rondo::kernels {

inline constexpr int kMostGates = 8;

/// S is the storage type, C f64 of f64 and f32 otherwise.
struct Observed {
    std::int64_t begin = 0, steps = 0, batch = 0, hidden = 0, width = 0;
    const std::int64_t* lengths = nullptr;
    bool dh_in_storage = false;
    const void* dh = nullptr;  ///< in [steps,B,width], C or S
    const void* dy = nullptr;  ///< in S, rows dy_stride apart, or null
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in S [steps,B,width] or null
    struct Gate {
        GateValue::Kind kind = GateValue::Kind::none;
        const void* values = nullptr;  ///< in S, rows `stride` apart
        std::int64_t stride = 0;
    } gates[kMostGates] = {};
    int gate_count = 0;
    double shut = 0, open = 0;
    double* out = nullptr;  ///< out [steps, 3 + 2·gate_count]
};
void observe(DType storage, const Observed& seen, cudaStream_t stream);

}  // namespace rondo::kernels
