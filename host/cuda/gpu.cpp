#include "cuda/gpu.hpp"

#include <cstdio>

#include "cuda/check.hpp"

namespace rondo::cuda {

int gpu_count() noexcept {
    int count = 0;  // a failing call leaves it as it was
    if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
    static_cast<void>(cudaGetLastError());
    return 0;
}

std::string Gpu::description() const {
    char text[256];
    std::snprintf(text, sizeof text, "%s, %d multiprocessors of sm_%d%d, %.1f GiB", name.c_str(), multiprocessors,
                  major, minor, memory_gib);
    return text;
}

Gpu find_gpu(int ordinal) {
    const int count = gpu_count();
    if (count == 0) throw Error(ErrorCode::unsupported, "device = cuda: this machine has no GPU that CUDA can use");
    if (ordinal < 0 || ordinal >= count)
        throw Error(ErrorCode::unsupported,
                    detail::concat("device = cuda:", ordinal, ": this machine has GPUs 0 to ", count - 1));
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
    return {ordinal,
            properties.name,
            properties.major,
            properties.minor,
            properties.multiProcessorCount,
            static_cast<double>(properties.totalGlobalMem) / (1 << 30)};
}

CurrentGpu::CurrentGpu(int ordinal) {
    int now = 0;
    check(cudaGetDevice(&now), "cudaGetDevice");
    if (now == ordinal) return;
    check(cudaSetDevice(ordinal), "cudaSetDevice");
    before_ = now;
}

CurrentGpu::~CurrentGpu() {
    if (before_ >= 0) static_cast<void>(cudaSetDevice(before_));  // a destructor has nobody to tell
}

}  // namespace rondo::cuda
