#include <cuda_runtime.h>

#include <algorithm>

#include "device/check.hpp"
#include "device/shared_limit.hpp"
#include "persistent/persistent.hpp"

namespace rondo::kernels {

namespace {

constexpr std::size_t kStaticGrain = 128;

/// Whether a probe was answered. Some devices refuse what they cannot hold, where others say how much they hold: none.
bool answered(cudaError_t status, const char* what) {
    for (const cudaError_t refusal :
         {cudaErrorInvalidClusterSize, cudaErrorInvalidValue, cudaErrorNotSupported, cudaErrorLaunchOutOfResources}) {
        if (status != refusal) continue;
        static_cast<void>(cudaGetLastError());
        return false;
    }
    device::check(status, what);
    return true;
}

/// Of sm_90 or later; code for older devices, which newer ones may run as well, stops where others exchange.
bool is_for_hopper(const cudaFuncAttributes& attributes) {
    return attributes.binaryVersion >= 90 && attributes.ptxVersion >= 90;
}

}  // namespace

int most_groups(const void* kernel, const Geometry& geometry) {
    int device = 0, most_shared = 0, multiprocessors = 0;
    device::check(cudaGetDevice(&device), "cudaGetDevice");
    device::check(cudaDeviceGetAttribute(&most_shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                  "cudaDeviceGetAttribute");
    device::check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
                  "cudaDeviceGetAttribute");
    cudaFuncAttributes attributes = {};
    device::check(cudaFuncGetAttributes(&attributes, kernel), "cudaFuncGetAttributes");
    const std::size_t own = (attributes.sharedSizeBytes + kStaticGrain - 1) / kStaticGrain * kStaticGrain;
    if (geometry.shared_bytes + own > static_cast<std::size_t>(most_shared)) return 0;
    device::check(device::allow_shared_memory(kernel, geometry.shared_bytes), "shared memory of a time loop");
    // Copies that report to barriers, and clusters.
    if (geometry.exchange != Exchange::solo && !is_for_hopper(attributes)) return 0;
    if (geometry.cluster == 1) {
        int blocks = 0;
        device::check(
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, geometry.threads(), geometry.shared_bytes),
            "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
        // Of a grid one a multiprocessor: another grid beside it may count on the rest.
        if (geometry.exchange == Exchange::grid) blocks = std::min(blocks, 1);
        return blocks * multiprocessors / geometry.ranks;
    }
    if (geometry.cluster > static_cast<int>(device::kPortableCluster) &&
        !answered(device::allow_large_clusters(kernel), "a cluster's size"))
        return 0;
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = static_cast<unsigned>(geometry.cluster);
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(geometry.ranks));
    config.blockDim = dim3(static_cast<unsigned>(geometry.threads()));
    config.dynamicSmemBytes = geometry.shared_bytes;
    config.attrs = &attribute;
    config.numAttrs = 1;
    int clusters = 0;
    const cudaError_t status = cudaOccupancyMaxActiveClusters(&clusters, kernel, &config);
    if (!answered(status, "cudaOccupancyMaxActiveClusters")) return 0;
    if (geometry.exchange == Exchange::grid) clusters = std::min(clusters, multiprocessors / geometry.cluster);
    return clusters / geometry.gathering;
}

}  // namespace rondo::kernels
