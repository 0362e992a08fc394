// cublasLtMatmul...: the heuristic (one algorithm), and products on a stream.
#include <algorithm>
#include <cstring>
#include <string>

#include "lane/standin/cublaslt_call.hpp"
#include "lane/standin/memory.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::lane {
namespace {

bool valid(const Layout& layout) {
    const std::uint64_t line = layout.order == CUBLASLT_ORDER_ROW ? layout.cols : layout.rows;
    const bool known_order = layout.order == CUBLASLT_ORDER_ROW || layout.order == CUBLASLT_ORDER_COL;
    return known_order && layout.rows > 0 && layout.cols > 0 && layout.ld >= static_cast<std::int64_t>(line) &&
           layout.batches > 0 && layout.batch_stride >= 0;  // a negative one is not documented
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

/// The true one does not promise a bias with every product that it makes.
bool adds_bias(const Layout& d) { return d.rows > 1; }

static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

/// Of everything that a choice depends on, but no addresses, nor how far apart the matrices of a batch are: an algorithm
/// may be configured from extents alone (cublasLtMatmulAlgoInit).
std::uint64_t fingerprint(const ProductDesc& desc, std::initializer_list<const Layout*> layouts) {
    std::uint64_t hash = 1;
    const auto add = [&](auto... values) {
        ((hash = (hash ^ static_cast<std::uint64_t>(values)) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29), ...);
    };
    add(desc.compute, desc.scale_type, desc.pointer_mode, desc.transpose_a, desc.transpose_b, desc.epilogue,
        desc.bias_type, desc.bias_batch_stride);
    for (const Layout* l : layouts) add(l->type, l->order, l->rows, l->cols, l->ld, l->batches);
    return hash;
}

/// From one matrix of a batch to the next; 0 where there is no other.
std::uintptr_t batch_bytes(const Layout& layout) {
    return layout.batches < 2 ? 0 : static_cast<std::uintptr_t>(layout.batch_stride) * size_of(layout.type);
}
std::uint32_t batch_alignment(const Layout& layout) {
    const std::uintptr_t bytes = batch_bytes(layout) | 256;
    return static_cast<std::uint32_t>(bytes & ~(bytes - 1));
}

/// An algorithm was chosen for this very problem, for pointers as aligned, and for as large a workspace.
void check_algorithm(const cublasLtMatmulAlgo_t& opaque, const Multiplication& p, std::size_t workspace_bytes) {
    const auto& algorithm = reinterpret_cast<const Algorithm&>(opaque);
    if (algorithm.problem != fingerprint(p.desc, {&p.a, &p.b, &p.c, &p.d}))
        throw Failure(FailureKind::misuse, "cublasLtMatmul: the algorithm was chosen for another product");
    const void* const data[] = {p.a_data, p.b_data, p.c_data, p.d_data};
    const Layout* const layouts[] = {&p.a, &p.b, &p.c, &p.d};
    for (int i = 0; i < 4; ++i) {
        const std::uint32_t promised = algorithm.promised.alignments[i];
        const bool aligned = reinterpret_cast<std::uintptr_t>(data[i]) % promised == 0 &&
                             batch_bytes(*layouts[i]) % std::min(promised, algorithm.distances[i]) == 0;
        if (!aligned)
            throw Failure(FailureKind::misuse, std::string("cublasLtMatmul: ") + "ABCD"[i] +
                                                   " is aligned less than was promised for the algorithm");
    }
    demand(workspace_bytes >= algorithm.promised.workspace_bytes, CUBLAS_STATUS_INVALID_VALUE);
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

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
    return run_call([&] {
        need_handle(handle);
        demand(wanted > 0 && results != nullptr && returned != nullptr, CUBLAS_STATUS_INVALID_VALUE);
        *returned = 0;
        const Layout &la = inside<Layout>(a), &lb = inside<Layout>(b), &lc = inside<Layout>(c), &ld = inside<Layout>(d);
        check(inside<ProductDesc>(desc), la, lb, lc, ld);
        demand(inside<ProductDesc>(desc).epilogue == CUBLASLT_EPILOGUE_DEFAULT || adds_bias(ld),
               CUBLAS_STATUS_NOT_SUPPORTED);
        // It needs all of the workspace that it may have, so that less than was promised is seen.
        const Algorithm algorithm{fingerprint(inside<ProductDesc>(desc), {&la, &lb, &lc, &ld}),
                                  inside<Preference>(preference),
                                  {batch_alignment(la), batch_alignment(lb), batch_alignment(lc), batch_alignment(ld)}};
        results[0] = {};
        std::memcpy(&results[0].algo, &algorithm, sizeof(algorithm));
        results[0].workspaceSize = algorithm.promised.workspace_bytes;
        results[0].state = CUBLAS_STATUS_SUCCESS;
        results[0].wavesCount = 1.0f;
        *returned = 1;
    });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* A,
                              cublasLtMatrixLayout_t a, const void* B, cublasLtMatrixLayout_t b, const void* beta,
                              const void* C, cublasLtMatrixLayout_t c, void* D, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
    return run_call([&] {
        need_handle(handle);
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
        if (algorithm != nullptr) check_algorithm(*algorithm, p, workspace_bytes);  // null: one is chosen on the spot
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
        demand(stream_of(stream).device == current_device(), CUBLAS_STATUS_INVALID_VALUE);
        for (const void* data : {A, B, static_cast<const void*>(D)})
            if (device_of(data) != current_device())
                throw Failure(FailureKind::misuse, "cublasLtMatmul: an operand is another device's memory");
        if (workspace_bytes > 0 && !lies_in(Place::device, workspace, workspace_bytes))
            throw Failure(FailureKind::misuse, "cublasLtMatmul: the workspace is not device memory of that size");
        enqueue_work(stream_of(stream), "cublasLtMatmul", [p] {
            check_memory(p);  // nothing may have been freed in the meantime
            ++machine().counters.products;
            multiply(p);
        });
    });
}
