#pragma once
/// Attention whose scores are vector · tanh(q + k), of one row of the batch.
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

template <class T>
void additive_attention_forward(const AdditiveAttention& attention, std::int64_t row);
/// dvector: this row's share [width], written.
template <class T>
void additive_attention_backward(const AdditiveAttention& attention, std::int64_t row, void* dvector);

extern template void additive_attention_forward<float>(const AdditiveAttention&, std::int64_t);
extern template void additive_attention_forward<double>(const AdditiveAttention&, std::int64_t);
extern template void additive_attention_backward<float>(const AdditiveAttention&, std::int64_t, void*);
extern template void additive_attention_backward<double>(const AdditiveAttention&, std::int64_t, void*);

}  // namespace rondo::cpu::RONDO_ISA
