#pragma once
/// Where nvcc and the CPU lane part; the only file that asks which of them compiles. Device code includes this (or any
/// header beside it) and is then the same text for both. Under the lane every kernel is an ordinary function that runs
/// on fibers, one a CUDA thread (lane/hooks.hpp says what the emulator provides).
///
/// A wrapper around an instruction is written with its CPU twin beside it:
///
///     RONDO_DEVICE unsigned cluster_rank() {
///         unsigned rank = 0;
///         RONDO_PTX_SM90(asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank)));
///         RONDO_TWIN(rank = lane::cluster_rank());
///         return rank;
///     }
///
/// A function that can make a thread wait takes `Where where = Where::here()` last and hands it on, so that the lane
/// can tell at which line of a kernel threads hang. It costs nothing under nvcc.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define RONDO_DEVICE __device__ __forceinline__

#if defined(__CUDACC__)

namespace rondo::device {

/// The place of a call: nothing here, file and line under the lane.
struct Where {
    RONDO_DEVICE static constexpr Where here() { return {}; }
};

}  // namespace rondo::device

#define RONDO_PTX(...) __VA_ARGS__
#define RONDO_TWIN(...)
#define RONDO_UNROLL _Pragma("unroll")
// Code of sm_90 is compiled for older architectures as well, where nothing may launch it: it stops the kernel there.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define RONDO_PTX_SM90(...) __trap()
#else
#define RONDO_PTX_SM90(...) __VA_ARGS__
#endif

/// Shared memory of a block: RONDO_SHARED(float, partial, [kWarps][32]); uninitialised, aligned to 16 bytes.
/// RONDO_DYNAMIC_SHARED(unsigned char, scratch); is a pointer to what Launch::shared_bytes asked for, aligned to 128.
#define RONDO_SHARED(type, name, extents) __shared__ __align__(16) type name extents
#define RONDO_DYNAMIC_SHARED(type, name)                                   \
    extern __shared__ __align__(128) unsigned char rondo_dynamic_shared[]; \
    type* const name = reinterpret_cast<type*>(rondo_dynamic_shared)

#else

#include "device/lane/builtins.hpp"
#include "device/lane/hooks.hpp"

#define RONDO_PTX(...)
#define RONDO_PTX_SM90(...)
#define RONDO_UNROLL
#define RONDO_TWIN(...) __VA_ARGS__

#define RONDO_SHARED(type, name, extents) type(&name) extents = ::rondo::lane::shared_variable<type extents>([] {})
#define RONDO_DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(::rondo::lane::dynamic_shared())

// These would quietly be ordinary variables here.
#undef __shared__
#define __shared__ RONDO_shared_memory_is_declared_with_RONDO_SHARED
#undef __constant__
#define __constant__ RONDO_constants_are_kernel_arguments
#undef __launch_bounds__
#define __launch_bounds__(...)

#endif

namespace rondo::device {

/// The 32-bit address that PTX's shared-memory instructions take. For wrappers; the lane has no such thing.
#if defined(__CUDACC__)
RONDO_DEVICE std::uint32_t shared_address(const void* p) {
    return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}
#endif

/// The same bytes as another type of the same size.
template <class To, class From>
RONDO_DEVICE To bit_cast(const From& from) {
    static_assert(sizeof(To) == sizeof(From), "as many bytes");
    To to;
    memcpy(static_cast<void*>(&to), &from, sizeof(to));
    return to;
}

/// Index of this thread within its block and its warp.
RONDO_DEVICE unsigned thread_rank() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
RONDO_DEVICE unsigned lane_index() { return thread_rank() % 32; }
RONDO_DEVICE unsigned warp_index() { return thread_rank() / 32; }

/// __syncthreads() in a helper: blamed on the line that called the helper.
RONDO_DEVICE void block_barrier([[maybe_unused]] Where where) {
    RONDO_PTX(__syncthreads());
    RONDO_TWIN(__syncthreads(where));
}

/// Whether all threads of the block say so; also a barrier.
RONDO_DEVICE bool block_all(bool mine, [[maybe_unused]] Where where = Where::here()) {
    int all = 0;
    RONDO_PTX(all = __syncthreads_and(mine));
    RONDO_TWIN(all = __syncthreads_and(mine, where));
    return all != 0;
}

/// Whom an ordered access speaks to: the block, its cluster, or all of the device.
enum class Scope { block, cluster, gpu };

inline constexpr unsigned kFullWarp = 0xffffffffu;

}  // namespace rondo::device
