#pragma once
/// A named tensor in host memory that owns its elements: how parameters, moments and states leave and enter.
#include <cstddef>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rondo/view.hpp"

namespace rondo {

/// Row-major, last index contiguous. A value; thread-safe as such.
struct HostTensor {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::vector<std::byte> data;  ///< shape.size() elements

    HostTensor() = default;
    /// All zero.
    HostTensor(std::string tensor_name, DType type, Shape extents)
        : name(std::move(tensor_name)),
          dtype(type),
          shape(extents),
          data(static_cast<std::size_t>(extents.size() * size_of(type))) {}
    template <class T>
    HostTensor(std::string tensor_name, Shape extents, std::span<const T> elements)
        : HostTensor(std::move(tensor_name), kDType<T>, extents) {
        require(static_cast<std::int64_t>(elements.size()) == extents.size(), name, elements.size(),
                "number of elements differs from the shape's");
        if (!data.empty()) std::memcpy(data.data(), elements.data(), data.size());
    }

    /// The elements as T. Throws Error when they are of another type.
    template <class T>
    std::span<const T> as() const {
        check(kDType<T>);
        return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
    }
    template <class T>
    std::span<T> as() {
        check(kDType<T>);
        return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
    }

    ConstView view() const { return {data.data(), dtype, shape}; }

    /// A floating-point element as a double, whatever it is stored in (f32 or f64).
    double at(std::int64_t i) const {
        return dtype == DType::f64 ? as<double>()[static_cast<std::size_t>(i)]
                                   : static_cast<double>(as<float>()[static_cast<std::size_t>(i)]);
    }

private:
    void check(DType wanted) const { require(dtype == wanted, name, dtype, detail::concat("is not of type ", wanted)); }
};

/// Strings to be kept beside tensors in a file. Always valid UTF-8.
using Metadata = std::map<std::string, std::string>;

/// The tensor of that name. Throws Error when there is none.
inline const HostTensor& find(std::span<const HostTensor> tensors, std::string_view name) {
    for (const HostTensor& t : tensors)
        if (t.name == name) return t;
    refuse("tensor", name, "is missing");
}

}  // namespace rondo
