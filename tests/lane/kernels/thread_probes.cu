#include "device/async_copy.cuh"
#include "device/launch.hpp"
#include "device/ordered.cuh"
#include "device/spin.cuh"
#include "device/vector.cuh"
#include "device/warp.cuh"
#include "lane/kernels/probes.hpp"

namespace rondo::lane_test {
namespace {

using namespace rondo::device;

template <class T, int kLength>
__global__ void vectors_kernel(T* y, const T* x, int count) {
    for (int i = static_cast<int>(threadIdx.x) * kLength; i < count; i += static_cast<int>(blockDim.x) * kLength) {
        const Vector<T, kLength> forward = load_vector<kLength>(x + i);
        Vector<T, kLength> backward;
        for (int k = 0; k < kLength; ++k) backward[k] = forward[kLength - 1 - k];
        store_vector(y + count - kLength - i, backward);
    }
}

__global__ void __launch_bounds__(64) exchange_kernel(Exchanged* out) {
    const int i = static_cast<int>(threadIdx.x);
    const float x = static_cast<float>(i);
    Exchanged e;
    e.from_5 = __shfl_sync(kFullWarp, i, 5);
    e.flipped_3 = __shfl_xor_sync(kFullWarp, i, 3);
    e.down_2 = __shfl_down_sync(kFullWarp, i, 2);
    e.up_2 = __shfl_up_sync(kFullWarp, i, 2);
    e.in_eights = __shfl_down_sync(kFullWarp, i, 1, 8);
    e.odd = __ballot_sync(kFullWarp, i % 2);
    e.any_above_40 = __any_sync(kFullWarp, i > 40);
    e.all_below_32 = __all_sync(kFullWarp, i < 32);
    e.odd_in_block = __syncthreads_count(i % 2);
    e.sum = warp_sum(x);
    e.sum_of_4 = warp_sum<4>(x);
    e.highest = warp_max(x);
    e.block_sum = block_sum<64>(x);
    e.block_highest = block_max<64>(i == 20 ? NAN : x);
    out[i] = e;
}

__global__ void counters_kernel(unsigned* tickets, unsigned* counters) {
    const unsigned ticket = fetch_add(&counters[0], 1);
    tickets[blockIdx.x * blockDim.x + threadIdx.x] = ticket;
    add_release(&counters[1], 2);
    atomicAdd(&counters[2], 3u);
    atomicMax(&counters[3], ticket);
}

__global__ void copy_async_kernel(float* out, const float* in, int valid) {
    RONDO_SHARED(float, tile, [16]);
    const unsigned i = threadIdx.x;
    if (i < 4) {
        copy_async(&tile[4 * i], in + 4 * i, valid);
        copy_async_commit();
        copy_async_wait<0>();
    }
    __syncthreads();
    if (i < 16) out[i] = tile[i];
}

__global__ void expiry_kernel(unsigned* expired, SpinLimit limit) {
    const bool came = spin_until([&] { return load_acquire(expired) == 7; }, limit);
    if (!came) store_release(expired, 1u);
}

__global__ void dynamic_shared_kernel(float* out, int count) {
    RONDO_DYNAMIC_SHARED(float, numbers);
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
        numbers[i] = static_cast<float>(i);
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
        out[count - 1 - i] = numbers[count - 1 - i];
}

template <class T, int kLength>
void launch_vectors(float* y, const float* x, int count, cudaStream_t stream) {
    launch({.kernel = "probe_vectors", .block = 32, .stream = stream}, vectors_kernel<T, kLength>,
           reinterpret_cast<T*>(y), reinterpret_cast<const T*>(x), count * static_cast<int>(sizeof(float) / sizeof(T)));
}

}  // namespace

void probe_vectors(float* y, const float* x, int count, int bytes, cudaStream_t stream) {
    if (bytes == 2) launch_vectors<std::uint16_t, 1>(y, x, count, stream);
    if (bytes == 4) launch_vectors<std::uint16_t, 2>(y, x, count, stream);
    if (bytes == 8) launch_vectors<std::uint16_t, 4>(y, x, count, stream);
    if (bytes == 16) launch_vectors<float, 4>(y, x, count, stream);
}

void probe_exchange(Exchanged* out, cudaStream_t stream) {
    launch({.kernel = "probe_exchange", .block = 64, .stream = stream}, exchange_kernel, out);
}

void probe_counters(unsigned* tickets, unsigned* counters, int blocks, cudaStream_t stream) {
    launch({.kernel = "probe_counters", .grid = static_cast<unsigned>(blocks), .block = 32, .stream = stream},
           counters_kernel, tickets, counters);
}

void probe_copy_async(float* out, const float* in, int valid, cudaStream_t stream) {
    launch({.kernel = "probe_copy_async", .block = 32, .stream = stream}, copy_async_kernel, out, in, valid);
}

void probe_expiry(unsigned* expired, std::uint64_t nanoseconds, cudaStream_t stream) {
    launch({.kernel = "probe_expiry", .stream = stream}, expiry_kernel, expired, SpinLimit{nanoseconds});
}

void probe_dynamic_shared(float* out, std::size_t bytes, cudaStream_t stream) {
    launch({.kernel = "probe_dynamic_shared", .block = 128, .shared_bytes = bytes, .stream = stream},
           dynamic_shared_kernel, out, static_cast<int>(bytes / sizeof(float)));
}

}  // namespace rondo::lane_test
