// cublasLt...: descriptors, the heuristic (one algorithm), and products on a stream.
#include "lane/standin/cublaslt.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "lane/standin/machine.hpp"
#include "lane/standin/memory.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::lane {
namespace {

struct Refusal {
    cublasStatus_t code;
};
void demand(bool ok, cublasStatus_t code) {
    if (!ok) throw Refusal{code};
}

template <class Body>
cublasStatus_t run_call(Body body) {
    if (machine().sticky != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    try {
        body();
    } catch (const Refusal& refusal) {
        return refusal.code;
    } catch (const Status&) {
        return CUBLAS_STATUS_EXECUTION_FAILED;
    } catch (const Failure& failure) {
        set_failure(cudaErrorIllegalAddress, failure.what());
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    return CUBLAS_STATUS_SUCCESS;
}

struct Handle {};
std::set<const void*> handles;

// The descriptors lie in the room that cuBLASLt's own types leave, so that they may be made on the stack as well.
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(ProductDesc) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));

template <class To, class From>
To& inside(From* opaque) {
    demand(opaque != nullptr, CUBLAS_STATUS_INVALID_VALUE);
    return *reinterpret_cast<To*>(opaque);
}

template <class T>
void assign(T& field, const void* value, std::size_t bytes) {
    demand(value != nullptr && bytes == sizeof(T), CUBLAS_STATUS_INVALID_VALUE);
    std::memcpy(&field, value, bytes);
}

void set(Layout& layout, cublasLtMatrixLayoutAttribute_t attribute, const void* value, std::size_t bytes) {
    switch (attribute) {
        case CUBLASLT_MATRIX_LAYOUT_TYPE:
            return assign(layout.type, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ORDER:
            return assign(layout.order, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ROWS:
            return assign(layout.rows, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_COLS:
            return assign(layout.cols, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_LD:
            return assign(layout.ld, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
            return assign(layout.batches, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
            return assign(layout.batch_stride, value, bytes);
        default:
            throw Refusal{CUBLAS_STATUS_NOT_SUPPORTED};
    }
}

void set(ProductDesc& desc, cublasLtMatmulDescAttributes_t attribute, const void* value, std::size_t bytes) {
    switch (attribute) {
        case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
            return assign(desc.compute, value, bytes);
        case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
            return assign(desc.scale_type, value, bytes);
        case CUBLASLT_MATMUL_DESC_POINTER_MODE:
            return assign(desc.pointer_mode, value, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSA:
            return assign(desc.transpose_a, value, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSB:
            return assign(desc.transpose_b, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE:
            return assign(desc.epilogue, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
            return assign(desc.bias, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
            return assign(desc.bias_type, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE:
            return assign(desc.bias_batch_stride, value, bytes);
        default:
            throw Refusal{CUBLAS_STATUS_NOT_SUPPORTED};
    }
}

bool valid(const Layout& layout) {
    const std::uint64_t line = layout.order == CUBLASLT_ORDER_ROW ? layout.cols : layout.rows;
    const bool known_order = layout.order == CUBLASLT_ORDER_ROW || layout.order == CUBLASLT_ORDER_COL;
    return known_order && layout.rows > 0 && layout.cols > 0 && layout.ld >= static_cast<std::int64_t>(line) &&
           layout.batches > 0;
}

/// Types that go together, as cuBLASLt's table has them for what Rondo uses.
bool supported(const ProductDesc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
    const auto in = a.type, out = d.type;
    if (b.type != in || c.type != out) return false;
    if (desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT && desc.epilogue != CUBLASLT_EPILOGUE_BIAS) return false;
    if (desc.pointer_mode != CUBLASLT_POINTER_MODE_HOST && desc.pointer_mode != CUBLASLT_POINTER_MODE_DEVICE)
        return false;
    switch (desc.compute) {
        case CUBLAS_COMPUTE_64F:
            return desc.scale_type == CUDA_R_64F && in == CUDA_R_64F && out == CUDA_R_64F;
        case CUBLAS_COMPUTE_32F_FAST_TF32:
            return desc.scale_type == CUDA_R_32F && in == CUDA_R_32F && out == CUDA_R_32F;
        case CUBLAS_COMPUTE_32F:
        case CUBLAS_COMPUTE_32F_PEDANTIC:
            if (desc.scale_type != CUDA_R_32F) return false;
            if (in == CUDA_R_32F) return out == CUDA_R_32F;
            return (in == CUDA_R_16F || in == CUDA_R_16BF) && (out == in || out == CUDA_R_32F);
        default:
            return false;
    }
}

void check(const ProductDesc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
    demand(valid(a) && valid(b) && valid(c) && valid(d), CUBLAS_STATUS_INVALID_VALUE);
    const bool at = desc.transpose_a != CUBLAS_OP_N, bt = desc.transpose_b != CUBLAS_OP_N;
    const std::uint64_t m = at ? a.cols : a.rows, k = at ? a.rows : a.cols;
    const std::uint64_t k2 = bt ? b.cols : b.rows, n = bt ? b.rows : b.cols;
    demand(k == k2 && c.rows == m && c.cols == n && d.rows == m && d.cols == n, CUBLAS_STATUS_INVALID_VALUE);
    demand(a.batches == d.batches && b.batches == d.batches && c.batches == d.batches, CUBLAS_STATUS_INVALID_VALUE);
    demand(supported(desc, a, b, c, d), CUBLAS_STATUS_NOT_SUPPORTED);
}

void check_matrix(const char* name, const void* data, const Layout& layout) {
    const std::size_t bytes = static_cast<std::size_t>(layout.extent()) * size_of(layout.type);
    if (!lies_in(Place::device, data, bytes))
        throw Failure(FailureKind::misuse,
                      std::string("cublasLtMatmul: ") + name + " reaches beyond what is allocated on the device");
}

void check_memory(const Multiplication& p) {
    check_matrix("A", p.a_data, p.a);
    check_matrix("B", p.b_data, p.b);
    if (p.beta != 0 || p.device_beta != nullptr) check_matrix("C", p.c_data, p.c);
    check_matrix("D", p.d_data, p.d);
    if (p.desc.epilogue != CUBLASLT_EPILOGUE_BIAS) return;
    Layout bias = p.d;
    bias.type = p.desc.bias_type < 0 ? p.d.type : static_cast<cudaDataType_t>(p.desc.bias_type);
    bias.order = CUBLASLT_ORDER_COL;
    bias.cols = 1;
    bias.ld = static_cast<std::int64_t>(bias.rows);
    bias.batch_stride = p.desc.bias_batch_stride;
    check_matrix("the bias", p.desc.bias, bias);
}

double host_scalar(const void* p, cudaDataType_t type) {
    demand(p != nullptr, CUBLAS_STATUS_INVALID_VALUE);
    return type == CUDA_R_64F ? *static_cast<const double*>(p) : static_cast<double>(*static_cast<const float*>(p));
}

}  // namespace

std::size_t size_of(cudaDataType_t type) {
    switch (type) {
        case CUDA_R_64F:
            return 8;
        case CUDA_R_16F:
        case CUDA_R_16BF:
            return 2;
        default:
            return 4;
    }
}

std::int64_t Layout::extent() const {
    const auto r = static_cast<std::int64_t>(rows), c = static_cast<std::int64_t>(cols);
    return (batches - 1) * batch_stride + index(r - 1, c - 1) + 1;
}

}  // namespace rondo::lane

using namespace rondo::lane;

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    return run_call([&] {
        demand(handle != nullptr, CUBLAS_STATUS_INVALID_VALUE);
        auto* made = new Handle;
        handles.insert(made);
        ++machine().handles;
        *handle = reinterpret_cast<cublasLtHandle_t>(made);
    });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    auto* made = reinterpret_cast<Handle*>(handle);
    if (handles.erase(made) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
    --machine().handles;
    delete made;
    return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion() { return CUBLAS_VERSION; }

const char* cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
        case CUBLAS_STATUS_SUCCESS:
            return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_INITIALIZED:
            return "CUBLAS_STATUS_NOT_INITIALIZED";
        case CUBLAS_STATUS_INVALID_VALUE:
            return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_NOT_SUPPORTED:
            return "CUBLAS_STATUS_NOT_SUPPORTED";
        case CUBLAS_STATUS_EXECUTION_FAILED:
            return "CUBLAS_STATUS_EXECUTION_FAILED";
        default:
            return "CUBLAS_STATUS of another kind";
    }
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
    const Machine& m = machine();
    return m.sticky != cudaSuccess ? m.failure.c_str() : cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t layout, size_t size, cudaDataType type,
                                                 uint64_t rows, uint64_t cols, int64_t ld) {
    return run_call([&] {
        demand(size >= sizeof(Layout), CUBLAS_STATUS_INVALID_VALUE);
        Layout made;
        made.type = type;
        made.rows = rows;
        made.cols = cols;
        made.ld = ld;
        inside<Layout>(layout) = made;
    });
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
    if (layout == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *layout = new cublasLtMatrixLayoutOpaque_t{};
    ++machine().handles;
    return cublasLtMatrixLayoutInit_internal(*layout, sizeof(cublasLtMatrixLayoutOpaque_t), type, rows, cols, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    if (layout != nullptr) --machine().handles;
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute, const void* value,
                                                size_t bytes) {
    return run_call([&] { set(inside<Layout>(layout), attribute, value, bytes); });
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t desc, size_t size, cublasComputeType_t compute,
                                               cudaDataType_t scale_type) {
    return run_call([&] {
        demand(size >= sizeof(ProductDesc), CUBLAS_STATUS_INVALID_VALUE);
        ProductDesc made;
        made.compute = compute;
        made.scale_type = scale_type;
        inside<ProductDesc>(desc) = made;
    });
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute,
                                        cudaDataType_t scale_type) {
    if (desc == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *desc = new cublasLtMatmulDescOpaque_t{};
    ++machine().handles;
    return cublasLtMatmulDescInit_internal(*desc, sizeof(cublasLtMatmulDescOpaque_t), compute, scale_type);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
    if (desc != nullptr) --machine().handles;
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
    return run_call([&] { set(inside<ProductDesc>(desc), attribute, value, bytes); });
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t preference, size_t) {
    return run_call([&] { inside<Preference>(preference) = {}; });
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
    if (preference == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *preference = new cublasLtMatmulPreferenceOpaque_t{};
    ++machine().handles;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    if (preference != nullptr) --machine().handles;
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t bytes) {
    return run_call([&] {
        // Alignments, masks and wave counts only narrow a choice that there is none of here.
        if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
            assign(inside<Preference>(preference).workspace_bytes, value, bytes);
    });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
    return run_call([&] {
        demand(handles.count(handle) != 0, CUBLAS_STATUS_NOT_INITIALIZED);
        demand(wanted > 0 && results != nullptr && returned != nullptr, CUBLAS_STATUS_INVALID_VALUE);
        *returned = 0;
        static_cast<void>(inside<Preference>(preference));
        check(inside<ProductDesc>(desc), inside<Layout>(a), inside<Layout>(b), inside<Layout>(c), inside<Layout>(d));
        results[0] = {};
        results[0].state = CUBLAS_STATUS_SUCCESS;
        results[0].wavesCount = 1.0f;
        *returned = 1;
    });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* A,
                              cublasLtMatrixLayout_t a, const void* B, cublasLtMatrixLayout_t b, const void* beta,
                              const void* C, cublasLtMatrixLayout_t c, void* D, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t*, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
    return run_call([&] {
        demand(handles.count(handle) != 0, CUBLAS_STATUS_NOT_INITIALIZED);
        Multiplication p;
        p.desc = inside<ProductDesc>(desc);
        p.a = inside<Layout>(a);
        p.b = inside<Layout>(b);
        p.c = inside<Layout>(c);
        p.d = inside<Layout>(d);
        p.a_data = A;
        p.b_data = B;
        p.c_data = C;
        p.d_data = D;
        check(p.desc, p.a, p.b, p.c, p.d);
        if (p.desc.pointer_mode == CUBLASLT_POINTER_MODE_HOST) {
            p.alpha = host_scalar(alpha, p.desc.scale_type);
            p.beta = host_scalar(beta, p.desc.scale_type);
        } else {
            p.device_alpha = alpha;
            p.device_beta = beta;
        }
        check_memory(p);
        for (const auto& [data, layout] : {std::pair{A, p.a}, {B, p.b}, {static_cast<const void*>(D), p.d}})
            demand(reinterpret_cast<std::uintptr_t>(data) % size_of(layout.type) == 0, CUBLAS_STATUS_INVALID_VALUE);
        if (workspace_bytes > 0 && !lies_in(Place::device, workspace, workspace_bytes))
            throw Failure(FailureKind::misuse, "cublasLtMatmul: the workspace is not device memory of that size");
        enqueue_work(stream_of(stream), "cublasLtMatmul", [p] {
            check_memory(p);  // nothing may have been freed in the meantime
            ++machine().counters.products;
            multiply(p);
        });
    });
}
