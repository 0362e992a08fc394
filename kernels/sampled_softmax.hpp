#pragma once
/// A softmax over a few classes that are drawn; what it means stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct DrawCandidatesArrays {
    std::int64_t rows = 0, classes = 0, samples = 0;
    const std::int32_t* targets = nullptr;
    const double* cumulated = nullptr;
    const std::uint64_t *seed = nullptr, *step = nullptr;  ///< one number each, in device memory
    std::int32_t *ids = nullptr, *places = nullptr;
    double* log_counts = nullptr;
};
void draw_candidates(const DrawCandidatesArrays& draw, cudaStream_t stream);

struct CandidateLogitsArrays {
    DType dtype = DType::f32;
    std::int64_t rows = 0, samples = 0, width = 0, columns = 0;
    const void *x = nullptr, *weight = nullptr, *bias = nullptr;
    const std::int32_t* ids = nullptr;
    const double* log_counts = nullptr;
    void* logits = nullptr;
};
void candidate_logits(const CandidateLogitsArrays& logits, cudaStream_t stream);

struct ScaleRowsArrays {
    DType to_dtype = DType::f32, dtype = DType::f32;
    std::int64_t rows = 0, cols = 0;
    const void* factors = nullptr;
    std::int64_t factor_stride = 1;
    const void* from = nullptr;
    void* to = nullptr;
    bool add = false;
};
void scale_rows(const ScaleRowsArrays& scale, cudaStream_t stream);

}  // namespace rondo::kernels
