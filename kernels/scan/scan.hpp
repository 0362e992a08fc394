#pragma once
/// All steps of a cell without a recurrent product: what the scans over time are given.
/// C is f64 of f64 and f32 otherwise, S the storage type; n = end - begin.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string_view>

#include "pointwise/cell.hpp"

namespace rondo::kernels {

/// Backend's ScanForward.
struct ScanForwardOf {
    std::int64_t batch = 0, hidden = 0, begin = 0, end = 0;
    bool reverse = false;
    const std::int64_t* lengths = nullptr;  ///< [B] or null
    const void* gates_x = nullptr;          ///< in C [n,B,G,H]
    const void* h = nullptr;                ///< in S [B,H]: before the step that is taken first
    void* next = nullptr;                   ///< out S [n,B,H]
    void* saved = nullptr;                  ///< out S [n,B,R,H] or null
    ZoneoutOf zoneout;                      ///< mask [n,B,H]
    void* y = nullptr;                      ///< out S, rows y_stride apart, or null
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;
};

/// Backend's ScanBackward.
struct ScanBackwardOf {
    std::int64_t batch = 0, hidden = 0, begin = 0, end = 0;
    bool reverse = false;  ///< of forward
    const std::int64_t* lengths = nullptr;
    const void* before = nullptr;   ///< in S [n,B,H]: h before every step
    const void* saved = nullptr;    ///< in S [n,B,R,H]
    const void* zoneout = nullptr;  ///< in S [n,B,H] or null
    const void* carry = nullptr;    ///< in [B,H], S or C, or null
    bool carry_in_storage = false;
    const void* dy = nullptr;  ///< in S, rows dy_stride apart, or null
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in S [n,B,H] or null
    void* dgates_x = nullptr;     ///< out S [n,B,G,H]
    void* dstate = nullptr;       ///< out C [B,H]; may be carry
    void* dh_told = nullptr;      ///< out C [n,B,H] or null: dh of the rows that take the step
};

/// Asynchronous on `stream`. Throw Error where the cell is unknown or has a recurrent product.
void scan_forward(std::string_view cell, DType storage, const ScanForwardOf& scan, cudaStream_t stream);
void scan_backward(std::string_view cell, DType storage, const ScanBackwardOf& scan, cudaStream_t stream);

}  // namespace rondo::kernels
