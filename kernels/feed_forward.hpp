#pragma once
/// Activations and layer normalisation; what they mean stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct ActivationArrays {
    enum class Kind { tanh, sigmoid, relu, gelu };
    Kind kind = Kind::tanh;
    DType dtype = DType::f32;
    std::int64_t count = 0;
    const void* x = nullptr;
    void* y = nullptr;
    const void* dy = nullptr;
    void* dx = nullptr;
};
void activation_forward(const ActivationArrays& activation, cudaStream_t stream);
void activation_backward(const ActivationArrays& activation, cudaStream_t stream);

struct LayerNormArrays {
    DType dtype = DType::f32;
    std::int64_t rows = 0, cols = 0;
    double epsilon = 0;
    const void *x = nullptr, *gain = nullptr, *bias = nullptr;
    void *y = nullptr, *mean = nullptr, *scale = nullptr;
    const void* dy = nullptr;
    void *dx = nullptr, *dgain = nullptr, *dbias = nullptr;
    bool accumulate = false;
};
void layer_norm_forward(const LayerNormArrays& norm, cudaStream_t stream);
/// dx alone: dgain and dbias come first where dx lies where dy does.
void layer_norm_backward(const LayerNormArrays& norm, cudaStream_t stream);
/// dgain and dbias. The more scratch, the more blocks share the rows; any size does.
void layer_norm_parameters_backward(const LayerNormArrays& norm, void* scratch, std::int64_t scratch_bytes,
                                    cudaStream_t stream);

}  // namespace rondo::kernels
