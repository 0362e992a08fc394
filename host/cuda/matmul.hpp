#pragma once
/// Products by cuBLASLt. The only place that knows that the library is column-major.
#include <cublasLt.h>

#include <cstring>
#include <memory>
#include <unordered_map>

#include "cuda/stream.hpp"
#include "scheduler/backend.hpp"

namespace rondo::cuda {

/// All that an algorithm is chosen by; two products of equal shape run the same code.
struct MatmulShape {
    std::int64_t m, n, k, a_stride, b_stride, c_stride;
    std::int32_t dtype, c_dtype, tf32, a_transposed, b_transposed, bias;
    std::int32_t a_alignment, b_alignment, c_alignment, unused = 0;

    explicit MatmulShape(const Product& product, bool with_bias);
    bool operator==(const MatmulShape&) const = default;
};

struct MatmulShapeHash {
    std::size_t operator()(const MatmulShape& shape) const noexcept;
};

/// A library handle and the algorithms it has chosen. Choosing one for a new shape takes host memory and time; running
/// a known one takes neither.
class Matmul {
public:
    explicit Matmul(const Gpu& gpu);
    ~Matmul();
    Matmul(const Matmul&) = delete;
    Matmul& operator=(const Matmul&) = delete;

    void run(const Product& product, const StreamMemory& memory);

private:
    struct Chosen;
    Chosen& choose(const MatmulShape& shape, const void* bias);

    Gpu gpu_;
    cublasLtHandle_t handle_ = nullptr;
    std::unordered_map<MatmulShape, std::unique_ptr<Chosen>, MatmulShapeHash> chosen_;
};

}  // namespace rondo::cuda
