#pragma once
/// Operations on whole arrays; what they mean stands in host/scheduler/backend.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

/// to[i] = from[i], rounded to the nearest.
void cast(DType to_dtype, void* to, DType from_dtype, const void* from, std::int64_t count, cudaStream_t stream);

void scale(DType dtype, void* x, std::int64_t count, double factor, cudaStream_t stream);
void clamp(DType dtype, void* x, std::int64_t count, double limit, cudaStream_t stream);

/// Doubles of scratch that sum_of_squares and squared_error take.
inline constexpr std::int64_t kMostPartials = 512;

void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate, double* scratch,
                    cudaStream_t stream);
void squared_error(DType dtype, const void* prediction, const void* target, std::int64_t count, double* loss,
                   void* dprediction, double scale, double* scratch, cudaStream_t stream);

/// What an optimizer's update reads and writes; rules as in rondo/optimizer.hpp.
struct UpdateArrays {
    enum class Rule { sgd, adam, adamw };
    Rule rule = Rule::sgd;
    DType dtype = DType::f32;
    std::int64_t count = 0;
    void* parameters = nullptr;
    const void* gradients = nullptr;
    void *first = nullptr, *second = nullptr;
    // One number each, in device memory, so that a captured update can be replayed.
    const double *learning_rate = nullptr, *gradient_scale = nullptr;
    const double *bias_correction1 = nullptr, *bias_correction2 = nullptr;
    const std::int64_t* skip = nullptr;
    double momentum = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;
    bool nesterov = false;
};
void update(const UpdateArrays& update, cudaStream_t stream);

}  // namespace rondo::kernels
