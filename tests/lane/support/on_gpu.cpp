#include <cuda_runtime_api.h>

#include "lane/support/platform.hpp"

namespace rondo::lane_test {

std::string no_device() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess) return cudaGetErrorString(status);
    if (count == 0) return "no GPU";
    int major = 0;
    static_cast<void>(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    return major >= 9 ? "" : "the GPU is older than sm_90";
}

void in_every_order(const std::function<void()>& body) { body(); }

void expect_expiry() {}

}  // namespace rondo::lane_test
