#pragma once
/// An event with an owner.
#include "cuda/check.hpp"

namespace rondo::cuda {

/// A mark in a stream's work, of the current GPU.
class Event {
public:
    Event() { check(cudaEventCreateWithFlags(&handle_, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
    ~Event() { static_cast<void>(cudaEventDestroy(handle_)); }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    cudaEvent_t handle() const noexcept { return handle_; }

private:
    cudaEvent_t handle_ = nullptr;
};

}  // namespace rondo::cuda
