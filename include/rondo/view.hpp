#pragma once
/// Typed, non-owning tensors: what the low-level door takes and gives.
#include <string_view>
#include <type_traits>

#include "rondo/dtype.hpp"
#include "rondo/shape.hpp"

namespace rondo {

/// A dense row-major tensor somebody else owns. `data` may lie on a device. Thread-safe as a value; who reads and
/// writes through it is the caller's affair.
template <class Pointer>
struct BasicView {
    Pointer data = nullptr;
    DType dtype = DType::f32;
    Shape shape;

    BasicView() = default;
    BasicView(Pointer p, DType t, Shape s) : data(p), dtype(t), shape(s) {}
    template <class T>
    requires std::is_convertible_v<T*, Pointer> &&(!std::is_void_v<T>)BasicView(T* p, Shape s)
        : data(p), dtype(kDType<std::remove_const_t<T>>), shape(s) {}
    /// A View reads as a ConstView.
    operator BasicView<const void*>() const { return {data, dtype, shape}; }

    explicit operator bool() const noexcept { return data != nullptr; }
};

using View = BasicView<void*>;
using ConstView = BasicView<const void*>;

}  // namespace rondo
