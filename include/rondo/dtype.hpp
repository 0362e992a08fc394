#pragma once
/// Element types, and the precision a computation runs in.
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "rondo/error.hpp"

namespace rondo {

enum class DType { f64, f32, f16, bf16, i64, i32 };

constexpr std::int64_t size_of(DType t) noexcept {
    switch (t) {
        case DType::f64:
        case DType::i64:
            return 8;
        case DType::f32:
        case DType::i32:
            return 4;
        case DType::f16:
        case DType::bf16:
            return 2;
    }
    return 0;
}

constexpr std::string_view name_of(DType t) noexcept {
    switch (t) {
        case DType::f64:
            return "f64";
        case DType::f32:
            return "f32";
        case DType::f16:
            return "f16";
        case DType::bf16:
            return "bf16";
        case DType::i64:
            return "i64";
        case DType::i32:
            return "i32";
    }
    return "?";
}

inline std::ostream& operator<<(std::ostream& out, DType t) { return out << name_of(t); }

template <class T>
inline constexpr DType kDType = [] {
    static_assert(sizeof(T) == 0, "no DType for this C++ type");
    return DType::f32;
}();
template <>
inline constexpr DType kDType<double> = DType::f64;
template <>
inline constexpr DType kDType<float> = DType::f32;
template <>
inline constexpr DType kDType<std::int64_t> = DType::i64;
template <>
inline constexpr DType kDType<std::int32_t> = DType::i32;

/// How products multiply: `exact` in the storage type, `tf32` with operands rounded to ten mantissa bits.
enum class Math { exact, tf32 };

/// What a recurrent stack is stored, multiplied, summed and carried in.
/// Recurrent pre-activations and the LSTM's c are f32 whatever the storage (f64 in f64).
struct Precision {
    DType storage = DType::f32;     ///< x, y, h, the gradients of the gates, the compute copy of the weights
    Math math = Math::exact;        ///< of the products
    DType accumulate = DType::f32;  ///< sums of products, gates; the (master) parameters and their gradients
    DType state = DType::f32;       ///< carried states other than h

    static constexpr Precision f64() { return {DType::f64, Math::exact, DType::f64, DType::f64}; }
    static constexpr Precision f32() { return {DType::f32, Math::exact, DType::f32, DType::f32}; }
    static constexpr Precision tf32() { return {DType::f32, Math::tf32, DType::f32, DType::f32}; }
    static constexpr Precision f16() { return {DType::f16, Math::exact, DType::f32, DType::f32}; }
    static constexpr Precision bf16() { return {DType::bf16, Math::exact, DType::f32, DType::f32}; }

    friend constexpr bool operator==(const Precision&, const Precision&) = default;

    /// "f64", "f32", "tf32", "f16" or "bf16".
    constexpr std::string_view name() const noexcept { return math == Math::tf32 ? "tf32" : name_of(storage); }

    /// The inverse of name(). Throws on any other word.
    static Precision parse(std::string_view word) {
        for (Precision p : {f64(), f32(), tf32(), f16(), bf16()})
            if (p.name() == word) return p;
        refuse("dtype", word, "must be one of f64, f32, tf32, bf16, f16");
    }
};

}  // namespace rondo
