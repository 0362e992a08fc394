#pragma once
/// Clusters of more blocks than the portable eight, and how many of them the device holds.
#include <cuda_runtime.h>

#include "device/check.hpp"
#include "device/shared_limit.hpp"

namespace rondo::bench {

/// More than half of a multiprocessor's shared memory: its block has it to itself.
inline constexpr std::size_t kWholeMultiprocessor = 120 * 1024;

/// Lets the kernel run in clusters of any size and with that much shared memory. Returns how many such clusters are
/// active at once, by CUDA's word.
inline int allow_clusters(const void* kernel, unsigned size, unsigned threads, std::size_t shared_bytes) {
    using device::check;
    check(device::allow_shared_memory(kernel, shared_bytes), "shared memory of a cluster");
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1), "a cluster's size");
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = size;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(size);
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared_bytes;
    config.attrs = &attribute;
    config.numAttrs = 1;
    int clusters = 0;
    check(cudaOccupancyMaxActiveClusters(&clusters, kernel, &config), "cudaOccupancyMaxActiveClusters");
    return clusters;
}

}  // namespace rondo::bench
