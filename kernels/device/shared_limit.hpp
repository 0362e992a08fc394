#pragma once
/// Permission for a kernel to have more than 48 KB of dynamic shared memory, and clusters of more than 8 blocks.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <vector>

namespace rondo::device {

/// Shared memory that every kernel may have, its own variables included, for which some is set aside here.
inline constexpr std::size_t kDefaultSharedBytes = 48 * 1024, kOwnSharedBytes = 8 * 1024;

/// Asks CUDA once for each kernel and device, and again only where a launch needs more than was asked for before. Never
/// for less than every kernel may have: that would be a limit.
inline cudaError_t allow_shared_memory(const void* kernel, std::size_t bytes) {
    if (bytes <= kDefaultSharedBytes - kOwnSharedBytes) return cudaSuccess;
    bytes = std::max(bytes, kDefaultSharedBytes);
    struct Allowed {
        const void* kernel;
        int device;
        std::size_t bytes;
    };
    static std::mutex mutex;
    static std::vector<Allowed> list;

    int device = 0;
    if (const cudaError_t status = cudaGetDevice(&device); status != cudaSuccess) return status;
    const std::lock_guard lock(mutex);
    Allowed* entry = nullptr;
    for (Allowed& known : list)
        if (known.kernel == kernel && known.device == device) entry = &known;
    if (entry != nullptr && entry->bytes >= bytes) return cudaSuccess;

    const cudaError_t status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (status != cudaSuccess) return status;
    if (entry != nullptr)
        entry->bytes = bytes;
    else
        list.push_back({kernel, device, bytes});
    return cudaSuccess;
}

/// Blocks of a cluster that every device of sm_90 takes.
inline constexpr unsigned kPortableCluster = 8;

/// Up to 16 blocks (sm_90), instead of the 8 that every device of its kind has room for.
inline cudaError_t allow_large_clusters(const void* kernel) {
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
}

}  // namespace rondo::device
