#pragma once
/// Rows copied, summed and pooled; what they mean stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct RowMapArrays {
    DType dtype = DType::f32;
    std::int64_t rows = 0, cols = 0;
    void* to = nullptr;
    std::int64_t to_stride = 0;
    DType from_dtype = DType::f32;
    const void* from = nullptr;
    std::int64_t from_stride = 0, divide = 1, modulo = 1;
    bool add = false;
    const std::int64_t* shifts = nullptr;
};
void map_rows(const RowMapArrays& map, cudaStream_t stream);

struct RowSumArrays {
    DType to_dtype = DType::f32;
    void* to = nullptr;
    DType dtype = DType::f32;
    const void* from = nullptr;
    std::int64_t from_stride = 0, groups = 0, group_step = 0, items = 0, item_step = 0, cols = 0;
    bool add = false;
};
void sum_rows(const RowSumArrays& sums, cudaStream_t stream);

struct CopyRowsArrays {
    std::int64_t bytes = 0, steps = 0, batch = 0, from_batch = 0;
    const std::int64_t *rows = nullptr, *lengths = nullptr, *begins = nullptr;
    const void* from = nullptr;
    void* to = nullptr;
};
void copy_rows(const CopyRowsArrays& copy, cudaStream_t stream);

struct AdvanceArrays {
    std::int64_t steps = 0, batch = 0, most = 0;
    const std::int64_t *lengths = nullptr, *before = nullptr;
    std::int64_t *begins = nullptr, *ends = nullptr;
    std::int64_t* found = nullptr;  ///< page-locked host memory: 1 + the first row without room
};
void advance(const AdvanceArrays& advance, cudaStream_t stream);

struct PoolArrays {
    enum class Kind { last, mean, max };
    Kind kind = Kind::last;
    DType dtype = DType::f32;
    std::int64_t steps = 0, batch = 0, width = 0;
    const std::int64_t* lengths = nullptr;
    const void* x = nullptr;
    void* y = nullptr;
    std::int32_t* chosen = nullptr;
    const void* dy = nullptr;
    void* dx = nullptr;
};
void pool_forward(const PoolArrays& pool, cudaStream_t stream);
void pool_backward(const PoolArrays& pool, cudaStream_t stream);

}  // namespace rondo::kernels
