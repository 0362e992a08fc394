// cublasLt...Create, ...Set, ...Destroy: handles and descriptors.
#include <cstring>
#include <set>

#include "lane/standin/cublaslt_call.hpp"

namespace rondo::lane {
namespace {

struct Handle {};
std::set<const void*> handles;

// The descriptors lie in the room that cuBLASLt's own types leave, so that they may be made on the stack as well.
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(ProductDesc) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));

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

}  // namespace

void need_handle(cublasLtHandle_t handle) { demand(handles.count(handle) != 0, CUBLAS_STATUS_NOT_INITIALIZED); }

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
    return cublasLtMatmulPreferenceInit_internal(*preference, sizeof(cublasLtMatmulPreferenceOpaque_t));
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
        Preference& p = inside<Preference>(preference);
        switch (attribute) {
            case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
                return assign(p.workspace_bytes, value, bytes);
            case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
                return assign(p.alignments[0], value, bytes);
            case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
                return assign(p.alignments[1], value, bytes);
            case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
                return assign(p.alignments[2], value, bytes);
            case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
                return assign(p.alignments[3], value, bytes);
            default:
                return;  // masks and wave counts only narrow a choice that there is none of here
        }
    });
}
