#pragma once
/// How threads are laid over rows of elements, and how a thread reads and writes its neighbouring elements.
#include "device/launch.hpp"
#include "device/vector.cuh"
#include "types.cuh"

namespace rondo::kernels {

inline constexpr int kThreads = 128;

/// Elements one thread takes where rows allow: 16 bytes of what sums are made in. More would cost the fused kernels,
/// which hold all planes of an element, their registers.
template <class T>
inline constexpr int kWide = device::kVectorLength<Compute<T>>;

/// Where a thread only passes elements on: 16 bytes of them.
template <class T>
inline constexpr int kFull = device::kVectorLength<T>;

RONDO_DEVICE std::int64_t global_thread() { return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
RONDO_DEVICE std::int64_t grid_threads() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

/// index = row · columns + column.
struct Place {
    std::int64_t row, column;
};
RONDO_DEVICE Place place_of(std::int64_t index, std::int64_t columns) {
    if ((static_cast<std::uint64_t>(index | columns) >> 32) == 0) {  // 64-bit division takes ten times as long
        const auto i = static_cast<std::uint32_t>(index), n = static_cast<std::uint32_t>(columns);
        return {i / n, i % n};
    }
    return {index / columns, index % columns};
}

/// Whether a row takes step t.
RONDO_DEVICE bool takes(const std::int64_t* lengths, std::int64_t row, std::int64_t t) {
    return lengths == nullptr || t < lengths[row];
}

/// to = from[0..kCount). kCount above 1: `from` is aligned to all of them together.
template <int kCount, class T>
RONDO_DEVICE void load(Compute<T> (&to)[kCount], const T* from) {
    if constexpr (kCount == 1) {
        to[0] = to_compute(*from);
    } else {
        const auto v = device::load_vector<kCount>(from);
#pragma unroll
        for (int i = 0; i < kCount; ++i) to[i] = to_compute(v[i]);
    }
}

template <int kCount, class T>
RONDO_DEVICE void store(T* to, const Compute<T> (&from)[kCount]) {
    if constexpr (kCount == 1) {
        *to = to_storage<T>(from[0]);
    } else {
        device::Vector<T, kCount> v;
#pragma unroll
        for (int i = 0; i < kCount; ++i) v[i] = to_storage<T>(from[i]);
        device::store_vector(to, v);
    }
}

/// The same where a caller's tensor may begin on any element.
template <int kCount, class T>
RONDO_DEVICE void load_any(Compute<T> (&to)[kCount], const T* from) {
    if (device::is_aligned<kCount>(from)) return load(to, from);
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = to_compute(from[i]);
}
template <int kCount, class T>
RONDO_DEVICE void store_any(T* to, const Compute<T> (&from)[kCount]) {
    if (device::is_aligned<kCount>(to)) return store(to, from);
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = to_storage<T>(from[i]);
}

template <int kCount, class C>
RONDO_DEVICE void fill(C (&to)[kCount], std::type_identity_t<C> value) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = value;
}

/// x as it reads once it has been stored as T.
template <class T>
RONDO_DEVICE Compute<T> rounded(Compute<T> x) {
    return to_compute(to_storage<T>(x));
}

/// A number in device memory that may be left out.
RONDO_DEVICE double value_or_one(const double* p) { return p == nullptr ? 1 : *p; }

/// Whether threads may take kCount elements at a time from all of these arrays; null ones do not count.
template <int kCount, class... Pointers>
bool all_aligned(std::size_t element, const Pointers*... p) {
    return ((reinterpret_cast<std::uintptr_t>(p) % (kCount * element) == 0) && ...);
}

/// Blocks of kThreads with a thread for each of `count`, once for every direction.
inline dim3 blocks_of_directions(std::int64_t count, int directions) {
    dim3 blocks = device::blocks_for(count, kThreads);
    blocks.y = static_cast<unsigned>(directions);
    return blocks;
}

/// Blocks of kThreads for `count` threads that stride over the rest.
inline dim3 striding_blocks(std::int64_t count) {
    constexpr std::int64_t kMost = 132 * 16;  // a full H100 at 128 threads a block
    const std::int64_t blocks = device::ceil_div(count, kThreads);
    return dim3(static_cast<unsigned>(blocks < kMost ? blocks : kMost));
}

}  // namespace rondo::kernels
