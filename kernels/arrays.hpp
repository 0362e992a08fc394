#pragma once
/// Operations on whole arrays; what they mean stands in host/scheduler/backend.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"
#include "rondo/update_plan.hpp"

namespace rondo::kernels {

/// to[i] = from[i], rounded to the nearest.
void cast(DType to_dtype, void* to, DType from_dtype, const void* from, std::int64_t count, cudaStream_t stream);

/// Of a few arrays in one launch: to[i] = from[i], i < bytes, multiples of 2.
struct CopyArrays {
    static constexpr int kMost = 16;
    struct Part {
        void* to = nullptr;
        const void* from = nullptr;
        std::int64_t bytes = 0;
    };
    Part parts[kMost] = {};
    int count = 0;
};
void copy_all(const CopyArrays& arrays, cudaStream_t stream);

void add(DType dtype, void* to, const void* from, std::int64_t count, cudaStream_t stream);
/// `bytes` is a multiple of 4, and `p` aligned to 4.
void zero_unless_finite(void* p, std::int64_t bytes, const double* values, std::int64_t count, cudaStream_t stream);

/// Doubles of scratch that sum_of_squares, largest and squared_error take.
inline constexpr std::int64_t kMostPartials = 512;

void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate, double* scratch,
                    cudaStream_t stream);
void largest(DType dtype, const void* x, std::int64_t count, double* largest, double* scratch, cudaStream_t stream);

struct SquaredErrorArrays {
    DType dtype = DType::f32;
    std::int64_t count = 0;
    const void *prediction = nullptr, *target = nullptr;
    double* loss = nullptr;
    void* dprediction = nullptr;
    const double *scale = nullptr, *loss_scale = nullptr;
};
void squared_error(const SquaredErrorArrays& loss, double* scratch, cudaStream_t stream);

/// What an optimizer's update reads and writes; rules as in rondo/optimizer.hpp.
struct UpdateArrays {
    enum class Rule { sgd, adam, adamw };
    Rule rule = Rule::sgd;
    DType dtype = DType::f32;
    void* parameters = nullptr;
    const void* gradients = nullptr;
    void *first = nullptr, *second = nullptr;
    std::int64_t count = 0;
    const UpdateRange* ranges = nullptr;
    const double* factors = nullptr;
    const UpdateScalars* scalars = nullptr;
    double clamp = 0, momentum = 0, beta1 = 0, beta2 = 0, epsilon = 0;
    bool nesterov = false;
};
void update(const UpdateArrays& update, cudaStream_t stream);

void plan_update(const UpdatePlan& plan, cudaStream_t stream);

}  // namespace rondo::kernels
