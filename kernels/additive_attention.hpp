#pragma once
/// Attention whose scores are vector · tanh(q + k); what it means stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

struct AdditiveAttentionArrays {
    DType dtype = DType::f32;
    bool accumulate = false, add_to_dvector = false;
    std::int64_t queries = 0, keys = 0, batch = 0, width = 0, value_width = 0;
    const std::int64_t *query_lengths = nullptr, *key_lengths = nullptr;
    const void *q = nullptr, *k = nullptr, *v = nullptr, *vector = nullptr;
    void *weights = nullptr, *out = nullptr;
    const void* dout = nullptr;
    void *dq = nullptr, *dk = nullptr, *dv = nullptr, *dvector = nullptr;
    void* scratch = nullptr;
};

void additive_attention_forward(const AdditiveAttentionArrays& attention, cudaStream_t stream);
void additive_attention_backward(const AdditiveAttentionArrays& attention, cudaStream_t stream);

}  // namespace rondo::kernels
