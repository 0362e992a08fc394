#pragma once
/// Operations on rows of a matrix; what they mean stands in host/scheduler/backend.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

/// *found = 1 + the first row whose length is not in [0, steps], where there is one and *found is 0. `found` is memory
/// that the host reads as well, a word that is written as one.
void check_lengths(const std::int64_t* lengths, std::int64_t batch, std::int64_t steps, std::int64_t* found,
                   cudaStream_t stream);

void mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch, std::int64_t cols,
               const std::int64_t* lengths, cudaStream_t stream);

/// Steps [begin, end); out and x begin with step `begin`. seed, step: one number each, in device memory.
void dropout(DType dtype, void* out, const void* x, std::int64_t begin, std::int64_t end, std::int64_t batch,
             std::int64_t cols, double rate, bool per_sequence, std::uint64_t site, const std::uint64_t* seed,
             const std::uint64_t* step, const std::int64_t* lengths, cudaStream_t stream);

/// The more scratch, the more blocks share the rows of wide matrices; any size does.
void column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                 bool accumulate, void* scratch, std::int64_t scratch_bytes, cudaStream_t stream);

/// c[r,:] += bias[:] over rows of `cols` elements, c_stride apart.
void add_bias(DType dtype, void* c, const void* bias, std::int64_t rows, std::int64_t cols, std::int64_t stride,
              cudaStream_t stream);

}  // namespace rondo::kernels
