#pragma once
/// Storage types and conversions between them: to nearest, ties to even, but for tf32 as said there.
/// CUDA's headers convert on either side, so that these need no twins.
#include <type_traits>

#include "device/lane/matrix.hpp"
#include "device/platform.cuh"
#include "rondo/dtype.hpp"

namespace rondo::device {

using f16 = __half;
using bf16 = __nv_bfloat16;

/// What arithmetic on a storage type is done in.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, double>, double, float>;

RONDO_DEVICE float to_compute(f16 x) { return __half2float(x); }
RONDO_DEVICE float to_compute(bf16 x) { return __bfloat162float(x); }
RONDO_DEVICE float to_compute(float x) { return x; }
RONDO_DEVICE double to_compute(double x) { return x; }

/// x rounded to T.
template <class T>
RONDO_DEVICE T to_storage(std::type_identity_t<Compute<T>> x) {
    if constexpr (std::is_same_v<T, f16>)
        return __float2half_rn(x);
    else if constexpr (std::is_same_v<T, bf16>)
        return __float2bfloat16_rn(x);
    else
        return x;
}

/// Two elements as the 32-bit word that matrix fragments are made of, `low` at the lower address.
template <class T>
RONDO_DEVICE std::uint32_t pack(T low, T high) {
    static_assert(sizeof(T) == 2, "two elements of 16 bits");
    return static_cast<std::uint32_t>(bit_cast<unsigned short>(low)) |
           static_cast<std::uint32_t>(bit_cast<unsigned short>(high)) << 16;
}

/// The element of a packed word at position 0 or 1.
template <class T>
RONDO_DEVICE T unpack(std::uint32_t word, int position) {
    static_assert(sizeof(T) == 2, "two elements of 16 bits");
    return bit_cast<T>(static_cast<unsigned short>(word >> (16 * position)));
}

/// x rounded to the 10 mantissa bits of tf32, ties away from zero (what cvt.rna does), as a float's bits.
RONDO_DEVICE std::uint32_t to_tf32(float x) {
    std::uint32_t bits = 0;
    RONDO_PTX(asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x)));
    RONDO_TWIN(bits = lane::round_to_tf32(x));
    return bits;
}

}  // namespace rondo::device

namespace rondo {

template <>
inline constexpr DType kDType<__half> = DType::f16;
template <>
inline constexpr DType kDType<__nv_bfloat16> = DType::bf16;

}  // namespace rondo
