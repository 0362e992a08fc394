/// The stand-in for cuBLASLt against products written out.
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "lane/emulator/schedule.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/device_array.hpp"

namespace rondo::lane_test {
namespace {

struct Matrix {
    std::uint64_t rows, cols;
    bool row_major;
    std::int64_t ld;
    std::int64_t batch_stride;

    std::size_t at(std::uint64_t batch, std::uint64_t row, std::uint64_t col) const {
        const auto r = static_cast<std::int64_t>(row), c = static_cast<std::int64_t>(col);
        return static_cast<std::size_t>(static_cast<std::int64_t>(batch) * batch_stride +
                                        (row_major ? r * ld + c : c * ld + r));
    }
    std::size_t size(std::uint64_t batches) const { return at(batches - 1, rows - 1, cols - 1) + 1; }
};

/// Padded, so that a wrong leading dimension is seen.
Matrix matrix(std::uint64_t rows, std::uint64_t cols, bool row_major) {
    const auto ld = static_cast<std::int64_t>((row_major ? cols : rows) + 3);
    const auto lines = static_cast<std::int64_t>(row_major ? rows : cols);
    return {rows, cols, row_major, ld, ld * lines + 5};
}

template <class T>
struct Types;
template <>
struct Types<double> {
    static constexpr auto kType = CUDA_R_64F, kScale = CUDA_R_64F;
    static constexpr auto kCompute = CUBLAS_COMPUTE_64F;
    using Scale = double;
};
template <>
struct Types<float> {
    static constexpr auto kType = CUDA_R_32F, kScale = CUDA_R_32F;
    static constexpr auto kCompute = CUBLAS_COMPUTE_32F;
    using Scale = float;
};
template <>
struct Types<__half> {
    static constexpr auto kType = CUDA_R_16F, kScale = CUDA_R_32F;
    static constexpr auto kCompute = CUBLAS_COMPUTE_32F;
    using Scale = float;
};
template <>
struct Types<__nv_bfloat16> {
    static constexpr auto kType = CUDA_R_16BF, kScale = CUDA_R_32F;
    static constexpr auto kCompute = CUBLAS_COMPUTE_32F;
    using Scale = float;
};

/// Small whole numbers, exact in every type, in products and in sums; NaN in the padding.
template <class T>
std::vector<T> whole_numbers(const Matrix& m, std::uint64_t batches, int seed) {
    std::vector<T> values(m.size(batches), static_cast<T>(NAN));
    for (std::uint64_t b = 0; b < batches; ++b)
        for (std::uint64_t r = 0; r < m.rows; ++r)
            for (std::uint64_t c = 0; c < m.cols; ++c)
                values[m.at(b, r, c)] = static_cast<T>(
                    static_cast<float>(static_cast<int>((b * 5 + r * 3 + c * 7 + unsigned(seed)) % 7) - 3));
    return values;
}

class Descriptors {
public:
    Descriptors(cublasComputeType_t compute, cudaDataType_t scale) {
        EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(cublasLtMatmulDescCreate(&desc, compute, scale), CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(cublasLtMatmulPreferenceCreate(&preference), CUBLAS_STATUS_SUCCESS);
    }
    ~Descriptors() {
        for (cublasLtMatrixLayout_t layout : {a, b, c})
            if (layout != nullptr) cublasLtMatrixLayoutDestroy(layout);
        cublasLtMatmulPreferenceDestroy(preference);
        cublasLtMatmulDescDestroy(desc);
        cublasLtDestroy(handle);
    }
    Descriptors(const Descriptors&) = delete;
    Descriptors& operator=(const Descriptors&) = delete;

    template <class Value>
    void set(cublasLtMatmulDescAttributes_t attribute, Value value) {
        EXPECT_EQ(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)), CUBLAS_STATUS_SUCCESS);
    }
    static cublasLtMatrixLayout_t layout(const Matrix& m, cudaDataType_t type, std::int32_t batches) {
        cublasLtMatrixLayout_t made = nullptr;
        EXPECT_EQ(cublasLtMatrixLayoutCreate(&made, type, m.rows, m.cols, m.ld), CUBLAS_STATUS_SUCCESS);
        const cublasLtOrder_t order = m.row_major ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL;
        EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof(order)),
                  CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof(batches)),
                  CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &m.batch_stride,
                                                   sizeof(m.batch_stride)),
                  CUBLAS_STATUS_SUCCESS);
        return made;
    }
    /// The one algorithm, or why there is none.
    cublasStatus_t choose(cublasLtMatmulHeuristicResult_t* result) {
        int count = 0;
        const cublasStatus_t status =
            cublasLtMatmulAlgoGetHeuristic(handle, desc, a, b, c, c, preference, 1, result, &count);
        if (status == CUBLAS_STATUS_SUCCESS) EXPECT_EQ(count, 1);
        return status;
    }

    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatrixLayout_t a = nullptr, b = nullptr, c = nullptr;
};

template <class T>
void check_product(bool a_transposed, bool b_transposed, bool row_major, bool biased) {
    constexpr std::uint64_t kM = 5, kN = 4, kK = 6;
    constexpr std::int32_t kBatches = 2;
    const Matrix a = a_transposed ? matrix(kK, kM, row_major) : matrix(kM, kK, row_major);
    const Matrix b = b_transposed ? matrix(kN, kK, row_major) : matrix(kK, kN, row_major);
    const Matrix c = matrix(kM, kN, row_major);
    const auto a_values = whole_numbers<T>(a, kBatches, 0), b_values = whole_numbers<T>(b, kBatches, 2),
               c_values = whole_numbers<T>(c, kBatches, 4), bias_values = whole_numbers<T>(matrix(kM, 1, false), 1, 1);
    const DeviceArray<T> a_data(a_values), b_data(b_values), c_data(c_values), bias(bias_values);

    Descriptors d(Types<T>::kCompute, Types<T>::kScale);
    d.set(CUBLASLT_MATMUL_DESC_TRANSA, a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    d.set(CUBLASLT_MATMUL_DESC_TRANSB, b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (biased) {
        d.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        d.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias.data()));
    }
    d.a = Descriptors::layout(a, Types<T>::kType, kBatches);
    d.b = Descriptors::layout(b, Types<T>::kType, kBatches);
    d.c = Descriptors::layout(c, Types<T>::kType, kBatches);
    cublasLtMatmulHeuristicResult_t algorithm;
    ASSERT_EQ(d.choose(&algorithm), CUBLAS_STATUS_SUCCESS);

    const typename Types<T>::Scale alpha = 2, beta = 3;
    const TestStream stream;
    lane::reset_counters();
    ASSERT_EQ(cublasLtMatmul(d.handle, d.desc, &alpha, a_data.data(), d.a, b_data.data(), d.b, &beta, c_data.data(),
                             d.c, c_data.data(), d.c, &algorithm.algo, nullptr, 0, stream),
              CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(lane::counters().products, 0) << "it is work of a stream";
    stream.synchronize();
    const std::vector<T> got = c_data.download();
    for (std::uint64_t batch = 0; batch < kBatches; ++batch)
        for (std::uint64_t row = 0; row < kM; ++row)
            for (std::uint64_t col = 0; col < kN; ++col) {
                float want = 3 * static_cast<float>(c_values[c.at(batch, row, col)]);
                for (std::uint64_t k = 0; k < kK; ++k)
                    want += 2 * static_cast<float>(a_values[a_transposed ? a.at(batch, k, row) : a.at(batch, row, k)]) *
                            static_cast<float>(b_values[b_transposed ? b.at(batch, col, k) : b.at(batch, k, col)]);
                if (biased) want += static_cast<float>(bias_values[row]);
                ASSERT_EQ(static_cast<float>(got[c.at(batch, row, col)]), want) << batch << ", " << row << ", " << col;
            }
    EXPECT_TRUE(std::isnan(static_cast<float>(got[static_cast<std::size_t>(c.ld) - 1]))) << "the padding stays";
}

template <class T>
class LaneCublasLt : public testing::Test {};
using Storages = testing::Types<double, float, __half, __nv_bfloat16>;
TYPED_TEST_SUITE(LaneCublasLt, Storages);

TYPED_TEST(LaneCublasLt, ProductsInEveryLayout) {
    for (const bool a_transposed : {false, true})
        for (const bool b_transposed : {false, true})
            for (const bool row_major : {false, true})
                for (const bool biased : {false, true}) {
                    SCOPED_TRACE(testing::Message() << a_transposed << b_transposed << row_major << biased);
                    check_product<TypeParam>(a_transposed, b_transposed, row_major, biased);
                }
}

/// One product of 1x1 matrices in f32: a·b + beta·c.
float scalar_product(float a, float b, float beta, float c, cublasComputeType_t compute) {
    const DeviceArray<float> left(std::vector<float>{a}), right(std::vector<float>{b}), out(std::vector<float>{c});
    Descriptors d(compute, CUDA_R_32F);
    const Matrix one{1, 1, false, 1, 1};
    d.a = Descriptors::layout(one, CUDA_R_32F, 1);
    d.b = Descriptors::layout(one, CUDA_R_32F, 1);
    d.c = Descriptors::layout(one, CUDA_R_32F, 1);
    const float alpha = 1;
    EXPECT_EQ(cublasLtMatmul(d.handle, d.desc, &alpha, left.data(), d.a, right.data(), d.b, &beta, out.data(), d.c,
                             out.data(), d.c, nullptr, nullptr, 0, nullptr),
              CUBLAS_STATUS_SUCCESS);
    return out.download()[0];
}

TEST(LaneCublasLtRules, Tf32RoundsItsOperands) {
    const float x = 1.0f + 0x1p-12f;
    EXPECT_EQ(scalar_product(x, 1, 0, 0, CUBLAS_COMPUTE_32F), x);
    EXPECT_EQ(scalar_product(x, 1, 0, 0, CUBLAS_COMPUTE_32F_FAST_TF32), 1.0f);
}

TEST(LaneCublasLtRules, WithBetaZeroTheOutputIsNotRead) {
    EXPECT_EQ(scalar_product(3, 4, 0, NAN, CUBLAS_COMPUTE_32F), 12.0f);
    EXPECT_TRUE(std::isnan(scalar_product(3, 4, 1, NAN, CUBLAS_COMPUTE_32F)));
}

TEST(LaneCublasLtRules, WhatDoesNotFitIsRefused) {
    Descriptors d(CUBLAS_COMPUTE_32F, CUDA_R_32F);
    d.a = Descriptors::layout(matrix(4, 5, true), CUDA_R_32F, 1);
    d.b = Descriptors::layout(matrix(6, 3, true), CUDA_R_32F, 1);
    d.c = Descriptors::layout(matrix(4, 3, true), CUDA_R_32F, 1);
    cublasLtMatmulHeuristicResult_t algorithm;
    EXPECT_EQ(d.choose(&algorithm), CUBLAS_STATUS_INVALID_VALUE) << "5 and 6";
    cublasLtMatrixLayoutDestroy(d.b);
    d.b = Descriptors::layout(matrix(5, 3, true), CUDA_R_64F, 1);
    EXPECT_EQ(d.choose(&algorithm), CUBLAS_STATUS_NOT_SUPPORTED) << "float and double";
}

TEST(LaneCublasLtRules, OperandsEndWhereTheirMemoryEnds) {
    const DeviceArray<float> a(20), b(15), c(11);  // c is one short
    Descriptors d(CUBLAS_COMPUTE_32F, CUDA_R_32F);
    d.a = Descriptors::layout({4, 5, true, 5, 0}, CUDA_R_32F, 1);
    d.b = Descriptors::layout({5, 3, true, 3, 0}, CUDA_R_32F, 1);
    d.c = Descriptors::layout({4, 3, true, 3, 0}, CUDA_R_32F, 1);
    const float alpha = 1, beta = 0;
    EXPECT_EQ(cublasLtMatmul(d.handle, d.desc, &alpha, a.data(), d.a, b.data(), d.b, &beta, c.data(), d.c, c.data(),
                             d.c, nullptr, nullptr, 0, nullptr),
              CUBLAS_STATUS_EXECUTION_FAILED);
    EXPECT_NE(lane::take_failure().find("D reaches beyond"), std::string::npos);
}

/// [4,5]x[5,3] in f32, and an algorithm chosen for it.
class ChosenProduct {
public:
    ChosenProduct() {
        d.a = Descriptors::layout({4, 5, true, 5, 0}, CUDA_R_32F, 1);
        d.b = Descriptors::layout({5, 3, true, 3, 0}, CUDA_R_32F, 1);
        d.c = Descriptors::layout({4, 3, true, 3, 0}, CUDA_R_32F, 1);
        const std::uint64_t bytes = 1024;
        EXPECT_EQ(cublasLtMatmulPreferenceSetAttribute(d.preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                                       sizeof(bytes)),
                  CUBLAS_STATUS_SUCCESS);
        EXPECT_EQ(d.choose(&chosen), CUBLAS_STATUS_SUCCESS);
    }
    cublasStatus_t run(std::size_t a_offset = 0, std::size_t workspace_bytes = 1024) {
        const float alpha = 1, beta = 0;
        return cublasLtMatmul(d.handle, d.desc, &alpha, a.data() + a_offset, d.a, b.data(), d.b, &beta, c.data(), d.c,
                              c.data(), d.c, &chosen.algo, workspace.data(), workspace_bytes, nullptr);
    }

    Descriptors d{CUBLAS_COMPUTE_32F, CUDA_R_32F};
    cublasLtMatmulHeuristicResult_t chosen;

private:
    const DeviceArray<float> a{50}, b{50}, c{50};
    const DeviceArray<char> workspace{1024};
};

TEST(LaneCublasLtRules, AnAlgorithmIsForTheProductItWasChosenFor) {
    ChosenProduct product;
    EXPECT_EQ(product.run(), CUBLAS_STATUS_SUCCESS);
    const std::int64_t wider = 7;
    cublasLtMatrixLayoutSetAttribute(product.d.b, CUBLASLT_MATRIX_LAYOUT_LD, &wider, sizeof(wider));
    EXPECT_EQ(product.run(), CUBLAS_STATUS_EXECUTION_FAILED);
    EXPECT_NE(lane::take_failure().find("for another product"), std::string::npos);
}

TEST(LaneCublasLtRules, AnAlgorithmReliesOnWhatItWasPromised) {
    ChosenProduct product;
    EXPECT_EQ(product.run(0, 1023), CUBLAS_STATUS_INVALID_VALUE);
    EXPECT_EQ(product.run(4), CUBLAS_STATUS_EXECUTION_FAILED);
    EXPECT_NE(lane::take_failure().find("A is aligned less"), std::string::npos);

    const std::uint32_t alignment = 16;
    cublasLtMatmulPreferenceSetAttribute(product.d.preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignment,
                                         sizeof(alignment));
    EXPECT_EQ(product.d.choose(&product.chosen), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(product.run(4), CUBLAS_STATUS_SUCCESS);
}

}  // namespace
}  // namespace rondo::lane_test
