#pragma once
/// e^(x - max) over a row of logits, the part of a softmax that needs vector instructions.
#include <cstdint>

#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

/// out[i] = factor · softmax(x)[i], where out is not null; it may be x. Lanes are summed in T over short stretches and
/// then in double, in a fixed order. NaN anywhere gives a NaN sum.
template <class T>
SoftmaxRow softmax_row(const void* x, void* out, std::int64_t classes, double factor);

extern template SoftmaxRow softmax_row<float>(const void*, void*, std::int64_t, double);
extern template SoftmaxRow softmax_row<double>(const void*, void*, std::int64_t, double);

}  // namespace rondo::cpu::RONDO_ISA
