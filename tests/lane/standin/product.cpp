// The arithmetic of the stand-in for cuBLASLt: operands are read into the type that is summed in, sums run over k in
// ascending order.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <vector>

#include "device/lane/matrix.hpp"
#include "lane/standin/cublaslt.hpp"

namespace rondo::lane {
namespace {

template <class T>
T read(const void* data, cudaDataType_t type, std::int64_t i) {
    switch (type) {
        case CUDA_R_64F:
            return static_cast<T>(static_cast<const double*>(data)[i]);
        case CUDA_R_16F:
            return static_cast<T>(__half2float(static_cast<const __half*>(data)[i]));
        case CUDA_R_16BF:
            return static_cast<T>(__bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]));
        default:
            return static_cast<T>(static_cast<const float*>(data)[i]);
    }
}

template <class T>
void write(void* data, cudaDataType_t type, std::int64_t i, T value) {
    switch (type) {
        case CUDA_R_64F:
            static_cast<double*>(data)[i] = static_cast<double>(value);
            return;
        case CUDA_R_16F:
            static_cast<__half*>(data)[i] = __float2half_rn(static_cast<float>(value));
            return;
        case CUDA_R_16BF:
            static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(static_cast<float>(value));
            return;
        default:
            static_cast<float*>(data)[i] = static_cast<float>(value);
    }
}

template <class T>
T round_operand(T x, cublasComputeType_t compute) {
    if (compute != CUBLAS_COMPUTE_32F_FAST_TF32) return x;
    return static_cast<T>(__builtin_bit_cast(float, round_to_tf32(static_cast<float>(x))));
}

/// op(X) [rows, cols], row-major.
template <class T>
std::vector<T> gather(const void* data, const Layout& layout, bool transposed, std::int64_t rows, std::int64_t cols,
                      std::int64_t batch, cublasComputeType_t compute) {
    std::vector<T> out(static_cast<std::size_t>(rows * cols));
    const std::int64_t first = batch * layout.batch_stride;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c) {
            const std::int64_t i = first + (transposed ? layout.index(c, r) : layout.index(r, c));
            out[static_cast<std::size_t>(r * cols + c)] = round_operand(read<T>(data, layout.type, i), compute);
        }
    return out;
}

template <class T>
void multiply_in(const Multiplication& p) {
    const auto m = static_cast<std::int64_t>(p.d.rows), n = static_cast<std::int64_t>(p.d.cols);
    const bool a_transposed = p.desc.transpose_a != CUBLAS_OP_N, b_transposed = p.desc.transpose_b != CUBLAS_OP_N;
    const auto k = static_cast<std::int64_t>(a_transposed ? p.a.rows : p.a.cols);
    const T alpha = p.device_alpha != nullptr ? read<T>(p.device_alpha, p.desc.scale_type, 0) : static_cast<T>(p.alpha);
    const T beta = p.device_beta != nullptr ? read<T>(p.device_beta, p.desc.scale_type, 0) : static_cast<T>(p.beta);
    const auto bias_type = p.desc.bias_type < 0 ? p.d.type : static_cast<cudaDataType_t>(p.desc.bias_type);

    std::vector<T> sums(static_cast<std::size_t>(n));
    for (std::int64_t batch = 0; batch < p.d.batches; ++batch) {
        const std::vector<T> a = gather<T>(p.a_data, p.a, a_transposed, m, k, batch, p.desc.compute);
        const std::vector<T> b = gather<T>(p.b_data, p.b, b_transposed, k, n, batch, p.desc.compute);
        for (std::int64_t row = 0; row < m; ++row) {
            sums.assign(sums.size(), T(0));
            for (std::int64_t i = 0; i < k; ++i) {
                const T factor = a[static_cast<std::size_t>(row * k + i)];
                const T* line = b.data() + i * n;
                for (std::int64_t col = 0; col < n; ++col) sums[static_cast<std::size_t>(col)] += factor * line[col];
            }
            T bias = 0;
            if (p.desc.epilogue == CUBLASLT_EPILOGUE_BIAS)
                bias = read<T>(p.desc.bias, bias_type, batch * p.desc.bias_batch_stride + row);
            for (std::int64_t col = 0; col < n; ++col) {
                T value = alpha * sums[static_cast<std::size_t>(col)];
                // With beta = 0, C is not read: it may hold anything.
                if (beta != T(0))
                    value += beta * read<T>(p.c_data, p.c.type, batch * p.c.batch_stride + p.c.index(row, col));
                write(p.d_data, p.d.type, batch * p.d.batch_stride + p.d.index(row, col), value + bias);
            }
        }
    }
}

}  // namespace

void multiply(const Multiplication& product) {
    if (product.desc.scale_type == CUDA_R_64F)
        multiply_in<double>(product);
    else
        multiply_in<float>(product);
}

}  // namespace rondo::lane
