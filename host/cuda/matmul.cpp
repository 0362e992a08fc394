/// C[m,n] = A·B, row-major, is Cᵀ = Bᵀ·Aᵀ, column-major: the same memory with the operands exchanged. So A of the
/// library is our B, and "not transposed" there is what is row-major [k,n] here.
#include "cuda/matmul.hpp"

#include <algorithm>
#include <bit>

#include "cuda/check.hpp"
#include "cuda/gpu.hpp"
#include "few_rows.hpp"
#include "rows.hpp"

namespace rondo::cuda {
namespace {

constexpr std::size_t kMostShapes =
    4096;  // past that the list starts anew: no caller's loop over lengths can fill memory

cudaDataType_t data_type(DType type) {
    switch (type) {
        case DType::f64:
            return CUDA_R_64F;
        case DType::f32:
            return CUDA_R_32F;
        case DType::f16:
            return CUDA_R_16F;
        case DType::bf16:
            return CUDA_R_16BF;
        default:
            refuse("dtype", type, "must be f64, f32, f16 or bf16");
    }
}

/// Of all rows of a matrix, `stride` bytes apart, and of the next of its batch, `distance` bytes on. So it is that of a
/// step in the middle of a sequence as well, and one algorithm is chosen for all of them.
std::int32_t alignment_of(const void* p, std::int64_t stride, std::int64_t distance) {
    const auto bits = reinterpret_cast<std::uintptr_t>(p) | static_cast<std::uintptr_t>(stride | distance);
    return static_cast<std::int32_t>(std::size_t{1} << std::countr_zero(bits | 16));  // more changes no algorithm
}

/// The library's epilogue adds biases, but not in double, and reads them 16 bytes at a time.
bool could_add_bias(const Product& product) {
    return product.bias && product.dtype != DType::f64 && reinterpret_cast<std::uintptr_t>(product.bias) % 16 == 0;
}

/// A step of one row or two, with weights as they lie: a kernel of our own reads them once. Not measured yet beside
/// cuBLASLt, whose kernels are made of tiles of rows.
bool has_few_rows(const Product& product) {
    return product.m <= kernels::kFewRows && product.b_transposed && !product.a_transposed;
}

using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>, decltype(&cublasLtMatrixLayoutDestroy)>;
using Description = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>, decltype(&cublasLtMatmulDescDestroy)>;
using Preference =
    std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, decltype(&cublasLtMatmulPreferenceDestroy)>;

Layout make_layout(DType type, std::int64_t rows, std::int64_t cols, std::int64_t stride) {
    cublasLtMatrixLayout_t layout = nullptr;
    check(cublasLtMatrixLayoutCreate(&layout, data_type(type), static_cast<std::uint64_t>(rows),
                                     static_cast<std::uint64_t>(cols), stride),
          "cublasLtMatrixLayoutCreate");
    return {layout, cublasLtMatrixLayoutDestroy};
}

template <class Value>
void set(const Description& description, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof value),
          "cublasLtMatmulDescSetAttribute");
}

void set_batch(const Layout& layout, std::int32_t count, std::int64_t distance) {
    check(cublasLtMatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
          "cublasLtMatrixLayoutSetAttribute");
    check(cublasLtMatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &distance,
                                           sizeof distance),
          "cublasLtMatrixLayoutSetAttribute");
}

template <class Value>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
    check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
}

}  // namespace

MatmulShape::MatmulShape(const Product& p, bool with_bias, const MatmulBatch& batch)
    : m(p.m),
      n(p.n),
      k(p.k),
      a_stride(p.a_stride),
      b_stride(p.b_stride),
      c_stride(p.c_stride),
      dtype(static_cast<std::int32_t>(p.dtype)),
      c_dtype(static_cast<std::int32_t>(p.c_dtype)),
      tf32(p.math == Math::tf32 && p.dtype == DType::f32),
      a_transposed(p.a_transposed),
      b_transposed(p.b_transposed),
      bias(with_bias),
      a_alignment(alignment_of(p.a, p.a_stride * size_of(p.dtype), batch.a * size_of(p.dtype))),
      b_alignment(alignment_of(p.b, p.b_stride * size_of(p.dtype), batch.b * size_of(p.dtype))),
      c_alignment(alignment_of(p.c, p.c_stride * size_of(p.c_dtype), batch.c * size_of(p.c_dtype))),
      batches(batch.count) {}

std::size_t MatmulShapeHash::operator()(const MatmulShape& shape) const noexcept {
    std::uint64_t words[sizeof(MatmulShape) / 8];
    static_assert(sizeof words == sizeof shape, "no padding, whose bytes are anything");
    std::memcpy(words, &shape, sizeof shape);
    std::uint64_t hash = 0;
    for (const std::uint64_t word : words) hash = (hash ^ word) * 0x9e3779b97f4a7c15u ^ hash >> 29;
    return hash;
}

struct Matmul::Chosen {
    Description description{nullptr, cublasLtMatmulDescDestroy};
    Layout a{nullptr, cublasLtMatrixLayoutDestroy}, b{nullptr, cublasLtMatrixLayoutDestroy},
        c{nullptr, cublasLtMatrixLayoutDestroy};
    cublasLtMatmulAlgo_t algorithm{};
    bool adds_bias = false;

    /// A of the library is our B.
    void set_batch(const MatmulBatch& batch) const {
        cuda::set_batch(a, batch.count, batch.b);
        cuda::set_batch(b, batch.count, batch.a);
        cuda::set_batch(c, batch.count, batch.c);
    }
};

Matmul::Matmul(const Gpu& gpu) : gpu_(gpu) {
    const CurrentGpu current(gpu.ordinal);
    check(cublasLtCreate(&handle_), "cublasLtCreate");
}

Matmul::~Matmul() {
    chosen_.clear();
    static_cast<void>(cublasLtDestroy(handle_));
}

Matmul::Chosen& Matmul::choose(const MatmulShape& shape, const void* bias, const MatmulBatch& batch) {
    if (const auto known = chosen_.find(shape); known != chosen_.end()) return *known->second;
    if (chosen_.size() >= kMostShapes) chosen_.clear();

    auto chosen = std::make_unique<Chosen>();
    const auto dtype = static_cast<DType>(shape.dtype), c_dtype = static_cast<DType>(shape.c_dtype);
    const bool f64 = dtype == DType::f64;
    cublasLtMatmulDesc_t description = nullptr;
    check(cublasLtMatmulDescCreate(&description,
                                   f64          ? CUBLAS_COMPUTE_64F
                                   : shape.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                : CUBLAS_COMPUTE_32F,
                                   f64 ? CUDA_R_64F : CUDA_R_32F),
          "cublasLtMatmulDescCreate");
    chosen->description.reset(description);
    const cublasOperation_t no = CUBLAS_OP_N, yes = CUBLAS_OP_T;
    set(chosen->description, CUBLASLT_MATMUL_DESC_TRANSA, shape.b_transposed ? yes : no);
    set(chosen->description, CUBLASLT_MATMUL_DESC_TRANSB, shape.a_transposed ? yes : no);
    chosen->a = shape.b_transposed ? make_layout(dtype, shape.k, shape.n, shape.b_stride)
                                   : make_layout(dtype, shape.n, shape.k, shape.b_stride);
    chosen->b = shape.a_transposed ? make_layout(dtype, shape.m, shape.k, shape.a_stride)
                                   : make_layout(dtype, shape.k, shape.m, shape.a_stride);
    chosen->c = make_layout(c_dtype, shape.n, shape.m, shape.c_stride);
    if (shape.batches > 1) chosen->set_batch(batch);

    cublasLtMatmulPreference_t raw = nullptr;
    check(cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
    const Preference preference(raw, cublasLtMatmulPreferenceDestroy);
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{StreamMemory::workspace_bytes(gpu_)});
    // Split sums are put together by a second kernel, in order; the other way is in order of arrival.
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(shape.b_alignment));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(shape.a_alignment));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(shape.c_alignment));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(shape.c_alignment));

    cublasLtMatmulHeuristicResult_t result{};
    const auto finds = [&](bool with_bias) {
        set(chosen->description, CUBLASLT_MATMUL_DESC_EPILOGUE,
            with_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
        // The heuristic may ask for its alignment.
        set(chosen->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, with_bias ? bias : nullptr);
        int found = 0;
        const cublasStatus_t status =
            cublasLtMatmulAlgoGetHeuristic(handle_, chosen->description.get(), chosen->a.get(), chosen->b.get(),
                                           chosen->c.get(), chosen->c.get(), preference.get(), 1, &result, &found);
        if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
        check(status, "cublasLtMatmulAlgoGetHeuristic");
        return found > 0 && result.state == CUBLAS_STATUS_SUCCESS;
    };
    // Not every product that it makes it makes with a bias.
    chosen->adds_bias = shape.bias && finds(true);
    if (!chosen->adds_bias && !finds(false))
        throw Error(ErrorCode::unsupported,
                    detail::concat("product: cuBLASLt has no algorithm for [", shape.m, ",", shape.k, "]x[", shape.k,
                                   ",", shape.n, "] in ", dtype, " to ", c_dtype, " with strides ", shape.a_stride,
                                   ", ", shape.b_stride, ", ", shape.c_stride));
    chosen->algorithm = result.algo;
    return *chosen_.emplace(shape, std::move(chosen)).first->second;
}

void Matmul::run(const Product& p, StreamMemory& memory, const MatmulBatch& batch) {
    if (p.m == 0 || p.n == 0) return;
    require(p.k > 0, "k", p.k, "must be positive");
    const CurrentGpu current(gpu_.ordinal);
    require(batch.count == 1 || p.bias == nullptr, "bias", p.bias, "must be null for a batch");
    require(batch.a >= 0 && batch.b >= 0 && batch.c >= 0, "batch", std::min({batch.a, batch.b, batch.c}),
            "must have its matrices in ascending order");
    if (has_few_rows(p)) {
        kernels::few_rows({p.dtype, p.c_dtype, p.m, p.n, p.k, p.a, p.a_stride, p.b, p.b_stride, p.c, p.c_stride,
                           p.accumulate, p.bias, batch.count, batch.a, batch.b, batch.c},
                          memory.stream);
        return;
    }
    Chosen& chosen = choose(MatmulShape(p, could_add_bias(p), batch), p.bias, batch);
    if (batch.count > 1) chosen.set_batch(batch);
    if (chosen.adds_bias) set(chosen.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);

    const double one64 = 1, zero64 = 0;
    const float one32 = 1, zero32 = 0;
    const bool f64 = p.dtype == DType::f64;
    const void* const alpha = f64 ? static_cast<const void*>(&one64) : &one32;
    const void* const zero = f64 ? static_cast<const void*>(&zero64) : &zero32;
    check(cublasLtMatmul(handle_, chosen.description.get(), alpha, p.b, chosen.a.get(), p.a, chosen.b.get(),
                         p.accumulate ? alpha : zero, p.c, chosen.c.get(), p.c, chosen.c.get(), &chosen.algorithm,
                         memory.workspace().data(), memory.workspace().bytes(), memory.stream),
          "cublasLtMatmul");
    if (p.bias && !chosen.adds_bias) kernels::add_bias(p.c_dtype, p.c, p.bias, p.m, p.n, p.c_stride, memory.stream);
}

}  // namespace rondo::cuda
