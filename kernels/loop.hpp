#pragma once
/// What a part of a network needs that runs step by step; what they mean stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

namespace rondo::kernels {

void step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                  cudaStream_t stream);

/// seed, step: one number each. to: (seed, step) pairs.
void random_states(const std::uint64_t* seed, const std::uint64_t* step, std::int64_t count, std::uint64_t* to,
                   cudaStream_t stream);

void select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                std::int32_t* out, cudaStream_t stream);

}  // namespace rondo::kernels
