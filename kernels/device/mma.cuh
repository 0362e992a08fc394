#pragma once
/// Matrix products of a warp on tensor cores, D[16,8] += A[16,K]·B[K,8] with float sums, and the loads that make their
/// fragments. The whole warp calls them together. With g = lane / 4 and t = lane % 4 a lane holds
///
///     K = 16, two elements a word, k ascending from the low half:
///         a[0] = A[g, 2t..2t+1]   a[1] = A[g+8, 2t..]   a[2] = A[g, 2t+8..]   a[3] = A[g+8, 2t+8..]
///         b[0] = B[2t..2t+1, g]   b[1] = B[2t+8.., g]
///     K = 8, tf32 bits of one element a word:
///         a[0] = A[g, t]   a[1] = A[g+8, t]   a[2] = A[g, t+4]   a[3] = A[g+8, t+4]
///         b[0] = B[t, g]   b[1] = B[t+4, g]
///     d[0] = D[g, 2t]   d[1] = D[g, 2t+1]   d[2] = D[g+8, 2t]   d[3] = D[g+8, 2t+1]
#include <type_traits>

#include "device/convert.cuh"
#include "device/lane/matrix.hpp"
#include "device/platform.cuh"

namespace rondo::device {

// volatile: the compiler must not move a product to where lanes have parted.

/// K = 16; T is bf16 or f16.
template <class T>
RONDO_DEVICE void mma_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                               [[maybe_unused]] Where where = Where::here()) {
    static_assert(std::is_same_v<T, bf16> || std::is_same_v<T, f16>, "bf16 or f16");
    if constexpr (std::is_same_v<T, bf16>) {
        RONDO_PTX(
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                         "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
    } else {
        RONDO_PTX(
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                         "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                         : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
    }
    RONDO_TWIN(lane::multiply_k16<T>(d, a, b, where));
}

/// K = 8; the words come from to_tf32().
RONDO_DEVICE void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                   [[maybe_unused]] Where where = Where::here()) {
    RONDO_PTX(
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
    RONDO_TWIN(lane::multiply_k8_tf32(d, a, b, where));
}

/// One, two or four 8x8 matrices of 16-bit elements from shared memory: lane 8m + r gives the address of row r of
/// matrix m, aligned to 16 bytes (lanes beyond kMatrices · 8 give any valid one). words[m] = matrix m [g, 2t..2t+1].
template <int kMatrices>
RONDO_DEVICE void load_matrices(std::uint32_t (&words)[kMatrices], const void* row,
                                [[maybe_unused]] Where where = Where::here()) {
    static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4, "ldmatrix takes 1, 2 or 4");
    if constexpr (kMatrices == 4) {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                               : "r"(shared_address(row))
                               : "memory"));
    } else if constexpr (kMatrices == 2) {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                               : "=r"(words[0]), "=r"(words[1])
                               : "r"(shared_address(row))
                               : "memory"));
    } else {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                               : "=r"(words[0])
                               : "r"(shared_address(row))
                               : "memory"));
    }
    RONDO_TWIN(lane::load_matrices<kMatrices, false>(words, row, where));
}

/// The same, each matrix transposed: words[m] = matrix m [2t..2t+1, g].
template <int kMatrices>
RONDO_DEVICE void load_matrices_transposed(std::uint32_t (&words)[kMatrices], const void* row,
                                           [[maybe_unused]] Where where = Where::here()) {
    static_assert(kMatrices == 1 || kMatrices == 2 || kMatrices == 4, "ldmatrix takes 1, 2 or 4");
    if constexpr (kMatrices == 4) {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                               : "r"(shared_address(row))
                               : "memory"));
    } else if constexpr (kMatrices == 2) {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                               : "=r"(words[0]), "=r"(words[1])
                               : "r"(shared_address(row))
                               : "memory"));
    } else {
        RONDO_PTX(asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                               : "=r"(words[0])
                               : "r"(shared_address(row))
                               : "memory"));
    }
    RONDO_TWIN(lane::load_matrices<kMatrices, true>(words, row, where));
}

}  // namespace rondo::device
