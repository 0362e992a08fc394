#pragma once
/// Numbers on their way from a device to the host, which goes on meanwhile.
#include <span>

#include "scheduler/backend.hpp"

namespace rondo::model {

/// Room for a fixed number of T.
template <class T>
class Readback {
public:
    Readback(Device device, std::size_t count)
        : device_(std::move(device)), count_(count), event_(device_.backend().make_event()) {
        try {
            data_ = static_cast<T*>(device_.backend().allocate_host(count * sizeof(T)));
        } catch (...) {
            device_.backend().free_event(event_);
            throw;
        }
    }
    ~Readback() {
        device_.backend().free_event(event_);  // waits for a copy under way
        device_.backend().free_host(data_);
    }
    Readback(const Readback&) = delete;
    Readback& operator=(const Readback&) = delete;

    /// Queues the copy.
    void fill(const T* from, Stream stream) {
        device_.backend().download(data_, from, count_ * sizeof(T), stream);
        device_.backend().mark(event_, stream);
    }
    /// Waits for the last fill.
    std::span<const T> get() {
        device_.backend().wait(event_);
        return {data_, count_};
    }

private:
    Device device_;
    std::size_t count_;
    void* event_;
    T* data_ = nullptr;
};

}  // namespace rondo::model
