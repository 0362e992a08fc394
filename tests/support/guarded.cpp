#include "support/guarded.hpp"

#include <algorithm>
#include <cstring>
#include <rondo/convert.hpp>
#include <utility>

namespace rondo::test {

namespace {

constexpr std::byte kGuard{0xa5};
constexpr std::byte kNan{0xff};  // all bits set are a NaN in every floating type

bool is_number(DType dtype) {
    require(dtype != DType::i32, "dtype", dtype, "must be i64 or a floating type");
    return dtype != DType::i64;
}

std::vector<std::byte> converted(const std::vector<double>& values, DType dtype) {
    std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(size_of(dtype)));
    const auto count = static_cast<std::int64_t>(values.size());
    if (is_number(dtype)) {
        convert_elements(dtype, bytes.data(), DType::f64, values.data(), count);
        return bytes;
    }
    const std::vector<std::int64_t> whole(values.begin(), values.end());
    std::memcpy(bytes.data(), whole.data(), bytes.size());
    return bytes;
}

std::vector<double> converted(const std::vector<std::byte>& bytes, DType dtype) {
    const std::size_t count = bytes.size() / static_cast<std::size_t>(size_of(dtype));
    std::vector<double> values(count);
    if (is_number(dtype)) {
        convert_elements(DType::f64, values.data(), dtype, bytes.data(), static_cast<std::int64_t>(count));
        return values;
    }
    std::vector<std::int64_t> whole(count);
    std::memcpy(whole.data(), bytes.data(), bytes.size());
    return {whole.begin(), whole.end()};
}

}  // namespace

Guarded::Guarded(Device device, DType dtype, std::int64_t size, Alignment alignment)
    : device_(std::move(device)),
      dtype_(dtype),
      size_(size),
      begin_(kBand + (alignment == Alignment::element ? static_cast<std::size_t>(size_of(dtype)) : 0)),
      bytes_(static_cast<std::size_t>(size * size_of(dtype))) {
    Backend& backend = device_.backend();
    const std::vector<std::byte> guard(begin_ + bytes_ + kBand, kGuard);
    base_ = static_cast<std::byte*>(backend.allocate(guard.size()));
    backend.upload(base_, guard.data(), guard.size(), {});
    poison();
}

Guarded::~Guarded() {
    if (base_) device_.backend().free(base_);
}

Guarded::Guarded(Guarded&& other) noexcept
    : device_(other.device_),
      dtype_(other.dtype_),
      size_(other.size_),
      begin_(other.begin_),
      bytes_(other.bytes_),
      base_(std::exchange(other.base_, nullptr)) {}

void Guarded::poison() {
    const std::vector<std::byte> nan(bytes_, kNan);
    device_.backend().upload(data(), nan.data(), bytes_, {});
    device_.backend().synchronize({});
}

void Guarded::put(const std::vector<double>& values) {
    require(static_cast<std::int64_t>(values.size()) == size_, "values", values.size(), "must fill the buffer");
    const std::vector<std::byte> raw = converted(values, dtype_);
    device_.backend().upload(data(), raw.data(), bytes_, {});
    device_.backend().synchronize({});
}

std::vector<double> Guarded::get() const { return converted(bytes(), dtype_); }

std::vector<std::byte> Guarded::bytes() const {
    std::vector<std::byte> raw(bytes_);
    device_.backend().synchronize({});
    device_.backend().download(raw.data(), data(), bytes_, {});
    device_.backend().synchronize({});
    return raw;
}

bool Guarded::intact() const {
    std::vector<std::byte> raw(begin_ + bytes_ + kBand);
    device_.backend().synchronize({});
    device_.backend().download(raw.data(), base_, raw.size(), {});
    device_.backend().synchronize({});
    auto guard = [](std::byte b) { return b == kGuard; };
    const auto begin = raw.begin() + static_cast<std::ptrdiff_t>(begin_);
    return std::all_of(raw.begin(), begin, guard) &&
           std::all_of(begin + static_cast<std::ptrdiff_t>(bytes_), raw.end(), guard);
}

}  // namespace rondo::test
