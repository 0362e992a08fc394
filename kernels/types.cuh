#pragma once
/// From a DType to the C++ type that holds it.
#include "device/convert.cuh"
#include "rondo/error.hpp"

namespace rondo::kernels {

using device::bf16;
using device::Compute;
using device::f16;
using device::to_compute;
using device::to_storage;

namespace detail {

template <DType kType>
struct StorageOf;
template <>
struct StorageOf<DType::f64> {
    using Type = double;
};
template <>
struct StorageOf<DType::f32> {
    using Type = float;
};
template <>
struct StorageOf<DType::f16> {
    using Type = f16;
};
template <>
struct StorageOf<DType::bf16> {
    using Type = bf16;
};

}  // namespace detail

template <DType kType>
using Storage = typename detail::StorageOf<kType>::Type;

/// f.operator()<T>() for the floating type that holds `type`. Throws Error on integers.
template <class F>
void with_storage(DType type, const F& f) {
    switch (type) {
        case DType::f64:
            return f.template operator()<double>();
        case DType::f32:
            return f.template operator()<float>();
        case DType::f16:
            return f.template operator()<f16>();
        case DType::bf16:
            return f.template operator()<bf16>();
        case DType::i64:
        case DType::i32:
            break;
    }
    refuse("dtype", type, "must be f64, f32, f16 or bf16");
}

/// The same for the types that parameters and sums have.
template <class F>
void with_accumulator(DType type, const F& f) {
    switch (type) {
        case DType::f64:
            return f.template operator()<double>();
        case DType::f32:
            return f.template operator()<float>();
        default:
            refuse("dtype", type, "must be f64 or f32");
    }
}

}  // namespace rondo::kernels
