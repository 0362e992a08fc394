#pragma once
/// Tests that need a GPU, or the emulator that stands in for one: the same sources are linked with either.
#include <gtest/gtest.h>

#include "cuda/make_backend.hpp"
#include "scheduler/backend.hpp"

namespace rondo::test {

/// Skipped by name, with the reason, where there is no GPU.
class GpuTest : public ::testing::Test {
protected:
    void SetUp() override {
        if (!cuda::has_gpu()) GTEST_SKIP() << "this machine has no GPU that CUDA can use";
        device_ = std::make_unique<Device>(cuda::make_backend(0));
    }

    const Device& device() const { return *device_; }
    Backend& backend() const { return device_->backend(); }

private:
    std::unique_ptr<Device> device_;
};

}  // namespace rondo::test
