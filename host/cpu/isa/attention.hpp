#pragma once
/// Dot-product attention of one row of the batch and one head: pair = row·heads + head. scratch: this thread's, of at
/// least kAttentionKeys·(width + value_width) elements.
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

template <class T>
void attention_forward(const Attention& attention, std::int64_t pair, std::byte* scratch);
template <class T>
void attention_backward(const Attention& attention, std::int64_t pair, std::byte* scratch);
/// Its share of the mean over the heads, [T,B,S]; the first head clears the row.
template <class T>
void attention_weights(const Attention& attention, void* weights, std::int64_t pair, std::byte* scratch);

extern template void attention_forward<float>(const Attention&, std::int64_t, std::byte*);
extern template void attention_forward<double>(const Attention&, std::int64_t, std::byte*);
extern template void attention_backward<float>(const Attention&, std::int64_t, std::byte*);
extern template void attention_backward<double>(const Attention&, std::int64_t, std::byte*);
extern template void attention_weights<float>(const Attention&, void*, std::int64_t, std::byte*);
extern template void attention_weights<double>(const Attention&, void*, std::int64_t, std::byte*);

}  // namespace rondo::cpu::RONDO_ISA
