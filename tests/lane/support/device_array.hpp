#pragma once
/// Device memory of a test, through the CUDA runtime whichever is linked.
#include <cuda_runtime_api.h>

#include <vector>

#include "device/check.hpp"

namespace rondo::lane_test {

template <class T>
class DeviceArray {
public:
    explicit DeviceArray(std::size_t count) : count_(count) {
        void* p = nullptr;
        device::check(cudaMalloc(&p, count * sizeof(T)), "cudaMalloc");
        data_ = static_cast<T*>(p);
    }
    explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
        device::check(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
        wait_for_legacy_stream();
    }
    /// All bytes zero.
    static DeviceArray zeros(std::size_t count) {
        DeviceArray array(count);
        device::check(cudaMemset(array.data_, 0, count * sizeof(T)), "cudaMemset");
        wait_for_legacy_stream();
        return array;
    }
    ~DeviceArray() { static_cast<void>(cudaFree(data_)); }
    DeviceArray(DeviceArray&& other) noexcept : data_(other.data_), count_(other.count_) { other.data_ = nullptr; }
    DeviceArray& operator=(DeviceArray&&) = delete;

    T* data() const { return data_; }
    std::size_t size() const { return count_; }
    std::vector<T> download() const {
        std::vector<T> values(count_);
        device::check(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
        return values;
    }

private:
    /// Neither a small copy to the device nor a memset has ended when its call returns, and other streams do not wait.
    static void wait_for_legacy_stream() { device::check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize"); }

    T* data_ = nullptr;
    std::size_t count_;
};

/// A stream that does not wait for the legacy one.
class TestStream {
public:
    TestStream() { device::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
    ~TestStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
    TestStream(const TestStream&) = delete;
    TestStream& operator=(const TestStream&) = delete;

    operator cudaStream_t() const { return stream_; }
    void synchronize() const { device::check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

private:
    cudaStream_t stream_ = nullptr;
};

}  // namespace rondo::lane_test
