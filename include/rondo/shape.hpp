#pragma once
/// Extents of a tensor: row-major, last index contiguous, at most kMaxRank of them.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>

#include "rondo/error.hpp"

namespace rondo {

/// Extents of a dense tensor. A value type; thread-safe as such.
class Shape {
public:
    static constexpr int kMaxRank = 6;

    Shape() = default;  ///< rank 0: a scalar, size 1
    Shape(std::initializer_list<std::int64_t> extents) {
        for (std::int64_t e : extents) append(e);
    }

    /// Adds a last dimension. Throws on a negative extent or more than kMaxRank dimensions.
    void append(std::int64_t extent) {
        require(extent >= 0, "extent", extent, "must not be negative");
        require(rank_ < kMaxRank, "rank", rank_ + 1, "must be at most 6");
        extents_[static_cast<std::size_t>(rank_++)] = extent;
    }

    int rank() const noexcept { return rank_; }
    std::int64_t operator[](int i) const noexcept { return extents_[static_cast<std::size_t>(i)]; }
    const std::int64_t* begin() const noexcept { return extents_.data(); }
    const std::int64_t* end() const noexcept { return extents_.data() + rank_; }

    /// Number of elements. Throws if it does not fit 63 bits.
    std::int64_t size() const {
        std::int64_t n = 1;
        for (std::int64_t e : *this)
            if (__builtin_mul_overflow(n, e, &n)) refuse("shape", to_string(), "has too many elements");
        return n;
    }

    friend bool operator==(const Shape& a, const Shape& b) noexcept {
        if (a.rank_ != b.rank_) return false;
        for (int i = 0; i < a.rank_; ++i)
            if (a[i] != b[i]) return false;
        return true;
    }

    std::string to_string() const {
        std::string s = "[";
        for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string((*this)[i]);
        return s + "]";
    }
    friend std::ostream& operator<<(std::ostream& out, const Shape& s) { return out << s.to_string(); }

private:
    std::array<std::int64_t, kMaxRank> extents_{};
    int rank_ = 0;
};

}  // namespace rondo
