#pragma once
/// Device memory between guard bands, poisoned with NaN: a read of what nobody wrote shows, and so does a write outside.
#include <cstddef>
#include <rondo/dtype.hpp>
#include <rondo/shape.hpp>
#include <rondo/view.hpp>
#include <vector>

#include "scheduler/backend.hpp"

namespace rondo::test {

/// Alignment that the low-level door asks for: 64 bytes for big arrays, that of the element for tensors.
enum class Alignment { cache_line, element };

/// `size` elements. With Alignment::element the first stands one element past a multiple of 64 bytes.
class Guarded {
public:
    Guarded(Device device, DType dtype, std::int64_t size, Alignment alignment);
    ~Guarded();
    Guarded(Guarded&& other) noexcept;
    Guarded& operator=(Guarded&&) = delete;

    void* data() const { return base_ + begin_; }
    std::int64_t size() const { return size_; }
    View view(Shape shape) const { return {data(), dtype_, shape}; }

    void poison();                                ///< fills with NaN
    void put(const std::vector<double>& values);  ///< converts to the element type
    std::vector<double> get() const;              ///< converts from it
    std::vector<std::byte> bytes() const;         ///< as they stand
    bool intact() const;                          ///< nothing was written outside

private:
    static constexpr std::size_t kBand = 128;

    Device device_;
    DType dtype_;
    std::int64_t size_;
    std::size_t begin_, bytes_;
    std::byte* base_;
};

}  // namespace rondo::test
