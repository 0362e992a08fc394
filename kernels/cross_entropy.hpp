#pragma once
/// Softmax, cross-entropy and its gradient in one; see Backend's CrossEntropy.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct CrossEntropyRows {
    DType dtype = DType::f32;
    std::int64_t rows = 0, classes = 0;
    const void* logits = nullptr;
    const std::int32_t* targets = nullptr;
    double* loss = nullptr;
    std::int64_t* counted = nullptr;
    void* dlogits = nullptr;
    const double *scale = nullptr, *loss_scale = nullptr;
};

/// Bytes of scratch it takes.
std::int64_t cross_entropy_scratch();
void cross_entropy(const CrossEntropyRows& loss, void* scratch, cudaStream_t stream);

}  // namespace rondo::kernels
