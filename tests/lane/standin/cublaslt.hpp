#pragma once
/// What cuBLASLt's opaque descriptors hold here.
#include <cublasLt.h>

#include <cstdint>

namespace rondo::lane {

struct Layout {
    cudaDataType_t type = CUDA_R_32F;
    cublasLtOrder_t order = CUBLASLT_ORDER_COL;
    std::uint64_t rows = 0, cols = 0;
    std::int64_t ld = 0;
    std::int32_t batches = 1;
    std::int64_t batch_stride = 0;

    std::int64_t index(std::int64_t row, std::int64_t col) const {
        return order == CUBLASLT_ORDER_ROW ? row * ld + col : col * ld + row;
    }
    /// Elements from the first to the last of all batches.
    std::int64_t extent() const;
};

struct ProductDesc {
    cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
    cudaDataType_t scale_type = CUDA_R_32F;
    cublasLtPointerMode_t pointer_mode = CUBLASLT_POINTER_MODE_HOST;
    cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    const void* bias = nullptr;
    std::int32_t bias_type = -1;  ///< -1: that of D
    std::int64_t bias_batch_stride = 0;
};

/// Alignments are A's, B's, C's and D's, in bytes; cuBLASLt takes 256 for promised, unless told otherwise.
struct Preference {
    std::uint64_t workspace_bytes = 0;
    std::uint32_t alignments[4] = {256, 256, 256, 256};
};

/// What a cublasLtMatmulAlgo_t holds here: what it was chosen for, and what it was promised.
struct Algorithm {
    std::uint64_t problem = 0;  ///< a fingerprint of descriptor and layouts
    Preference promised;
    std::uint32_t distances[4] = {};  ///< alignments of the distances within a batch, as they were then
};

std::size_t size_of(cudaDataType_t type);

/// D = alpha·op(A)·op(B) + beta·C (+ bias, one element a row of D).
struct Multiplication {
    ProductDesc desc;
    Layout a, b, c, d;
    const void *a_data = nullptr, *b_data = nullptr, *c_data = nullptr;
    void* d_data = nullptr;
    double alpha = 1, beta = 0;          ///< where they were given by the host
    const void* device_alpha = nullptr;  ///< else
    const void* device_beta = nullptr;
};

void multiply(const Multiplication& product);

}  // namespace rondo::lane
