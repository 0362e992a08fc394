#pragma once
/// Products whose left side has so few rows that all they cost is reading the right one.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

inline constexpr int kFewRows = 2;

/// See Backend's Product; b is [n,k]. `batches` of them, so many elements apart.
struct FewRows {
    DType dtype = DType::f32;
    DType c_dtype = DType::f32;  ///< dtype, or what it accumulates in
    std::int64_t m = 0, n = 0, k = 0;
    const void* a = nullptr;
    std::int64_t a_stride = 0;
    const void* b = nullptr;
    std::int64_t b_stride = 0;
    void* c = nullptr;
    std::int64_t c_stride = 0;
    bool accumulate = false;
    const void* bias = nullptr;  ///< in c_dtype
    int batches = 1;
    std::int64_t a_batch = 0, b_batch = 0, c_batch = 0;
};

/// m of at most kFewRows.
void few_rows(const FewRows& product, cudaStream_t stream);

}  // namespace rondo::kernels
