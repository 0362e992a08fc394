#include <bit>
#include <cmath>
#include <cstring>
#include <rondo/convert.hpp>

namespace rondo {
namespace {

/// An IEEE-like format of 16 bits: 1 sign, kExponent and kMantissa bits.
template <int kExponent, int kMantissa>
struct Small {
    static constexpr int kBias = (1 << (kExponent - 1)) - 1;
    static constexpr std::uint16_t kInfinity = static_cast<std::uint16_t>(((1 << kExponent) - 1) << kMantissa);

    static double widen(std::uint16_t bits) {
        const int exponent = (bits >> kMantissa) & ((1 << kExponent) - 1);
        const int mantissa = bits & ((1 << kMantissa) - 1);
        const double sign = bits >> 15 ? -1.0 : 1.0;
        if (exponent == (1 << kExponent) - 1) return std::copysign(mantissa ? std::nan("") : HUGE_VAL, sign);
        const int implicit = exponent ? 1 << kMantissa : 0;
        return sign *
               std::ldexp(static_cast<double>(implicit + mantissa), (exponent ? exponent : 1) - kBias - kMantissa);
    }

    static std::uint16_t narrow(double value) {
        const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
        if (std::isnan(value)) return static_cast<std::uint16_t>(sign | kInfinity | (1 << (kMantissa - 1)));
        const double magnitude = std::fabs(value);
        if (magnitude == 0) return sign;
        if (std::isinf(magnitude)) return static_cast<std::uint16_t>(sign | kInfinity);
        // In units of the last place of the target, rounded by the processor's own ties-to-even. A carry into the next
        // binade, and from the largest finite value to infinity, comes out of the plain sum below.
        int exponent = std::ilogb(magnitude);
        if (exponent > kBias) return static_cast<std::uint16_t>(sign | kInfinity);
        if (exponent < 1 - kBias) exponent = 1 - kBias;
        const auto units = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, kMantissa - exponent)));
        const auto biased = static_cast<std::uint32_t>(exponent + kBias - 1) << kMantissa;
        return static_cast<std::uint16_t>(sign | (biased + units));
    }
};
using Half = Small<5, 10>;
using Brain = Small<8, 7>;

double load(DType type, const std::byte* from) {
    if (type == DType::f64) {
        double value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
    if (type == DType::f32) {
        float value;
        std::memcpy(&value, from, sizeof value);
        return value;
    }
    std::uint16_t bits;
    std::memcpy(&bits, from, sizeof bits);
    return type == DType::f16 ? Half::widen(bits) : Brain::widen(bits);
}

void store(DType type, std::byte* to, double value) {
    if (type == DType::f64) {
        std::memcpy(to, &value, sizeof value);
    } else if (type == DType::f32) {
        const auto single = static_cast<float>(value);
        std::memcpy(to, &single, sizeof single);
    } else {
        const std::uint16_t bits = type == DType::f16 ? Half::narrow(value) : Brain::narrow(value);
        std::memcpy(to, &bits, sizeof bits);
    }
}

bool is_integer(DType type) { return type == DType::i64 || type == DType::i32; }

}  // namespace

void convert_elements(DType to_type, void* to, DType from_type, const void* from, std::int64_t count) {
    require(count >= 0, "count", count, "must not be negative");
    auto* out = static_cast<std::byte*>(to);
    const auto* in = static_cast<const std::byte*>(from);
    if (to_type == from_type) {
        if (count > 0) std::memcpy(out, in, static_cast<std::size_t>(count * size_of(to_type)));
        return;
    }
    if (to_type == DType::i64 && from_type == DType::i32) {
        for (std::int64_t i = 0; i < count; ++i) {
            std::int32_t narrow;
            std::memcpy(&narrow, in + i * 4, sizeof narrow);
            const std::int64_t wide = narrow;
            std::memcpy(out + i * 8, &wide, sizeof wide);
        }
        return;
    }
    if (is_integer(to_type) || is_integer(from_type))
        refuse("dtype", name_of(from_type), detail::concat("cannot be converted to ", name_of(to_type)));
    for (std::int64_t i = 0; i < count; ++i)
        store(to_type, out + i * size_of(to_type), load(from_type, in + i * size_of(from_type)));
}

}  // namespace rondo
