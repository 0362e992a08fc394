#pragma once
/// The only place where a kernel launch is written down.
///
///     launch({.kernel = "row_sums", .grid = blocks_for(rows, 1), .block = 256, .stream = stream},
///            row_sums<float>, x, y, columns);
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>

#include "device/check.hpp"
#include "device/shared_limit.hpp"
#if !defined(__CUDACC__)
#include "device/lane/launch.hpp"
#endif

namespace rondo::device {

/// How a kernel is launched. The grid is counted in blocks, also where there are clusters.
struct Launch {
    const char* kernel;  ///< its name, for errors
    dim3 grid{1};
    dim3 block{1};
    dim3 cluster{1};
    std::size_t shared_bytes = 0;  ///< of RONDO_DYNAMIC_SHARED
    bool cooperative = false;      ///< all blocks resident together, or an error
    cudaStream_t stream;           ///< no default: say nullptr for the legacy stream
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// A grid of ceil(count / per_block) blocks along x. Throws where that is none at all or too many.
inline dim3 blocks_for(std::int64_t count, std::int64_t per_block) {
    const std::int64_t blocks = ceil_div(count, per_block);
    require(blocks > 0 && blocks <= std::numeric_limits<std::int32_t>::max(), "blocks", blocks,
            "must be from 1 to 2^31 - 1");
    return dim3(static_cast<unsigned>(blocks));
}

/// Runs kernel(arguments...) on `how.stream`, asynchronously. Throws Error (device) that names the kernel.
template <class... Parameters>
void launch(const Launch& how, void (*kernel)(Parameters...), std::type_identity_t<Parameters>... arguments) {
    const void* const function = reinterpret_cast<const void*>(kernel);
    check(allow_shared_memory(function, how.shared_bytes), how.kernel);
    if (how.cluster.x * how.cluster.y * how.cluster.z > kPortableCluster)
        check(allow_large_clusters(function), how.kernel);

#if defined(__CUDACC__)
    cudaLaunchAttribute attributes[2] = {};
    unsigned count = 0;
    if (how.cluster.x * how.cluster.y * how.cluster.z > 1) {
        attributes[count].id = cudaLaunchAttributeClusterDimension;
        attributes[count].val.clusterDim.x = how.cluster.x;
        attributes[count].val.clusterDim.y = how.cluster.y;
        attributes[count].val.clusterDim.z = how.cluster.z;
        ++count;
    }
    if (how.cooperative) {
        attributes[count].id = cudaLaunchAttributeCooperative;
        attributes[count].val.cooperative = 1;
        ++count;
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = how.grid;
    config.blockDim = how.block;
    config.dynamicSmemBytes = how.shared_bytes;
    config.stream = how.stream;
    config.attrs = attributes;
    config.numAttrs = count;
    void* pointers[sizeof...(Parameters) + 1] = {
        const_cast<void*>(static_cast<const volatile void*>(std::addressof(arguments)))...};
    check(cudaLaunchKernelExC(&config, function, pointers), how.kernel);
#else
    const lane::Shape shape{how.kernel, how.grid, how.block, how.cluster, how.shared_bytes, how.cooperative, function};
    check(lane::enqueue(shape, lane::Call(kernel, arguments...), how.stream), how.kernel);
#endif
}

}  // namespace rondo::device
