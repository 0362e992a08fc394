#pragma once
/// Connectionist temporal classification; what it means stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct CtcArrays {
    DType dtype = DType::f32;
    std::int32_t blank = 0;
    std::int64_t steps = 0, batch = 0, classes = 0, target_steps = 0;
    const void* logits = nullptr;
    const std::int64_t* lengths = nullptr;
    const std::int32_t* targets = nullptr;
    double* loss = nullptr;
    std::int64_t* counted = nullptr;
    void* dlogits = nullptr;
    const double *scale = nullptr, *loss_scale = nullptr;
};

/// Bytes of scratch it takes.
std::int64_t ctc_scratch(std::int64_t steps, std::int64_t batch, std::int64_t target_steps);
void ctc(const CtcArrays& loss, void* scratch, cudaStream_t stream);

}  // namespace rondo::kernels
