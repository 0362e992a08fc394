#pragma once
/// Sorting by CUB. These files are compiled by nvcc alone; a program that runs kernels on the CPU defines the same
/// functions itself.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace rondo::kernels {

/// (keys_out, values_out) = (keys, values) sorted by key, pairs of equal keys in the order given.
/// Throws Error where the scratch is too small; 32 bytes a pair and 64 KiB are plenty.
void sort_pairs(const std::int32_t* keys, std::int32_t* keys_out, const std::int32_t* values, std::int32_t* values_out,
                std::int64_t count, void* scratch, std::size_t scratch_bytes, cudaStream_t stream);

}  // namespace rondo::kernels
