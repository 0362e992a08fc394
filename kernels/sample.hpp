#pragma once
/// Tokens drawn from logits; see Backend's Sample.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct SampleRows {
    DType dtype = DType::f32;
    std::int64_t rows = 0, classes = 0;
    const void* logits = nullptr;
    std::int32_t* ids = nullptr;
    std::int32_t* fed = nullptr;
    double temperature = 1;
    std::int64_t top_k = 0;
    double top_p = 1;
    const std::uint64_t *seed = nullptr, *step = nullptr;  ///< one number each, in device memory
};

void sample(const SampleRows& sample, cudaStream_t stream);

}  // namespace rondo::kernels
