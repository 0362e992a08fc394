#pragma once
/// Rows of a table by id, and their gradients; see Backend.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

/// The table's type is that of the rows or what they accumulate in: a master copy.
void embedding_forward(DType dtype, void* out, DType table_dtype, const void* table, const std::int32_t* ids,
                       std::int64_t rows, std::int64_t cols, cudaStream_t stream);

/// Rows are sorted in parts of as many as the scratch holds, 44 bytes each and 64 KiB; any larger size does.
/// Ids outside [0, classes) are left out.
void embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout, const std::int32_t* ids,
                        std::int64_t rows, std::int64_t cols, std::int64_t classes, void* scratch,
                        std::int64_t scratch_bytes, cudaStream_t stream);

}  // namespace rondo::kernels
