#pragma once
/// Scaled dot-product attention; what it means stands in host/scheduler/module_ops.hpp.
#include <cuda_runtime_api.h>

#include <cstdint>

#include "rondo/dtype.hpp"

namespace rondo::kernels {

/// The widest head of queries or values: its tiles fit the shared memory of every GPU from sm_80 on.
inline constexpr std::int64_t kWidestHead = 256;

struct AttentionArrays {
    DType dtype = DType::f32;
    bool causal = false, accumulate = false;
    std::int64_t queries = 0, keys = 0, batch = 0, heads = 1, width = 0, value_width = 0;
    double scale = 1;
    const std::int64_t *query_lengths = nullptr, *key_lengths = nullptr;
    const void *q = nullptr, *k = nullptr, *v = nullptr;
    std::int64_t q_stride = 0, k_stride = 0, v_stride = 0;
    void* out = nullptr;
    std::int64_t out_stride = 0;
    void* log_sums = nullptr;
    const void* dout = nullptr;
    void *dq = nullptr, *dk = nullptr, *dv = nullptr;
    void* deltas = nullptr;  ///< [T,B,heads] of scratch
    const std::int64_t* begins = nullptr;
};

void attention_forward(const AttentionArrays& attention, cudaStream_t stream);
/// deltas[t,b,h] = dout·out, which both of the next take.
void attention_deltas(const AttentionArrays& attention, cudaStream_t stream);
void attention_backward_queries(const AttentionArrays& attention, cudaStream_t stream);
void attention_backward_keys(const AttentionArrays& attention, cudaStream_t stream);
void attention_weights(const AttentionArrays& attention, void* weights, cudaStream_t stream);

}  // namespace rondo::kernels
