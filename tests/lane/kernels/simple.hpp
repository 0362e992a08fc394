#pragma once
/// Element-wise, a reduction, an exchange within a warp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "lane/kernels/bugs.hpp"

namespace rondo::lane_test {

/// y[i] = a·x[i] + y[i]
void axpy(float* y, const float* x, float a, std::int64_t count, Bug bug, cudaStream_t stream);

/// sums[r] = the sum of row r of x [rows, cols]; one block of 256 threads a row.
void row_sums(float* sums, const float* x, std::int64_t rows, std::int64_t cols, Bug bug, cudaStream_t stream);

/// y[i] = the sum of the four numbers from x[4·(i ^ 31)] on, for i < 32; x has 132.
void mirror(float* y, const float* x, Bug bug, cudaStream_t stream);

}  // namespace rondo::lane_test
