#pragma once
/// Device memory with an owner.
#include <cstddef>
#include <utility>

#include "scheduler/backend.hpp"

namespace rondo::model {

/// Movable. The destructor frees; the device must have finished with the memory by then, which backends see to.
class DeviceBuffer {
public:
    DeviceBuffer() = default;
    DeviceBuffer(Device device, std::int64_t bytes)
        : device_(std::make_shared<Device>(std::move(device))),
          data_(bytes > 0 ? device_->backend().allocate(static_cast<std::size_t>(bytes)) : nullptr),
          bytes_(bytes) {}
    ~DeviceBuffer() {
        if (data_) device_->backend().free(data_);
    }
    DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
    DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
        swap(other);
        return *this;
    }

    std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
    template <class T>
    T* as() const noexcept {
        return static_cast<T*>(data_);
    }
    std::int64_t bytes() const noexcept { return bytes_; }

    void zero(Stream stream) {
        if (data_) device_->backend().zero(data_, static_cast<std::size_t>(bytes_), stream);
    }

private:
    void swap(DeviceBuffer& other) noexcept {
        std::swap(device_, other.device_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
    }

    std::shared_ptr<Device> device_;
    void* data_ = nullptr;
    std::int64_t bytes_ = 0;
};

}  // namespace rondo::model
