#pragma once
/// Products, nearly all by cuBLASLt. The only place that knows that the library is column-major.
#include <cublasLt.h>

#include <cstring>
#include <memory>
#include <unordered_map>

#include "cuda/stream.hpp"
#include "scheduler/backend.hpp"

namespace rondo::cuda {

/// Products that differ in their matrices alone: elements from each A, B and C to the next one's. Not negative, which
/// cuBLASLt does not promise to take.
struct MatmulBatch {
    std::int32_t count = 1;
    std::int64_t a = 0, b = 0, c = 0;
};

/// All that an algorithm is chosen by, which the distances within a batch are not; two products of equal shape run the
/// same code.
struct MatmulShape {
    std::int64_t m, n, k, a_stride, b_stride, c_stride;
    std::int32_t dtype, c_dtype, tf32, a_transposed, b_transposed, bias;
    std::int32_t a_alignment, b_alignment, c_alignment, batches;

    explicit MatmulShape(const Product& product, bool with_bias, const MatmulBatch& batch);
    bool operator==(const MatmulShape&) const = default;
};

struct MatmulShapeHash {
    std::size_t operator()(const MatmulShape& shape) const noexcept;
};

/// A library handle and the algorithms it has chosen. Choosing one for a new shape takes host memory and time; running
/// a known one takes neither. Products of one or two rows are a kernel's.
class Matmul {
public:
    explicit Matmul(const Gpu& gpu);
    ~Matmul();
    Matmul(const Matmul&) = delete;
    Matmul& operator=(const Matmul&) = delete;

    /// A batch takes no bias.
    void run(const Product& product, StreamMemory& memory, const MatmulBatch& batch = {});

private:
    struct Chosen;
    Chosen& choose(const MatmulShape& shape, const void* bias, const MatmulBatch& batch);

    Gpu gpu_;
    cublasLtHandle_t handle_ = nullptr;
    std::unordered_map<MatmulShape, std::unique_ptr<Chosen>, MatmulShapeHash> chosen_;
};

}  // namespace rondo::cuda
