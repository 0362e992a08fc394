/// What the device is, its memory, products and packed weights.
#include "cuda/cuda_backend.hpp"

#include "arrays.hpp"
#include "cuda/check.hpp"
#include "rows.hpp"

namespace rondo {
namespace {

cuda::LoopKernels find_kernels(std::string_view name, CellOptions options, DType storage) {
    const CellInfo info = cell_info(name, options);
    cuda::LoopKernels found{info.name, options, storage, {}, {}, {}};
    const auto find = [&]<DType kType>() {
        for (int stage = 0; stage < static_cast<int>(info.stages.size()); ++stage) {
            found.forward[stage] = kernels::find_forward<kType>(name, options, stage);
            found.backward[stage] = kernels::find_backward<kType>(name, options, stage);
        }
        if constexpr (kType != DType::f64) found.loops = kernels::find_loops<kType>(name, options);
    };
    switch (storage) {
        case DType::f64:
            find.operator()<DType::f64>();
            break;
        case DType::f32:
            find.operator()<DType::f32>();
            break;
        case DType::f16:
            find.operator()<DType::f16>();
            break;
        case DType::bf16:
            find.operator()<DType::bf16>();
            break;
        default:
            refuse("storage", storage, "must be f64, f32, f16 or bf16");
    }
    return found;
}

}  // namespace

CudaBackend::CudaBackend(int ordinal)
    : gpu_(cuda::find_gpu(ordinal)), matmul_(gpu_), memories_(gpu_), findings_(gpu_.ordinal) {}
CudaBackend::~CudaBackend() = default;

void CudaBackend::check(Precision precision) const {
    for (const Precision known :
         {Precision::f64(), Precision::f32(), Precision::tf32(), Precision::f16(), Precision::bf16()}) {
        if (!(precision == known)) continue;
        const bool needs_80 = precision == Precision::tf32() || precision == Precision::bf16();
        if (needs_80 && gpu_.major < 8)
            throw Error(ErrorCode::unsupported, detail::concat("precision = ", precision.name(), ": ", gpu_.name,
                                                               " has no tensor cores for it (sm_80 and later have)"));
        return;
    }
    throw Error(ErrorCode::unsupported, "precision: on cuda it must be one of f64, f32, tf32, f16, bf16 as they are");
}

const CellKernels* CudaBackend::cell_kernels(std::string_view name, CellOptions options, Precision precision) const {
    const std::lock_guard lock(kernels_mutex_);
    const cuda::LoopKernels* found = nullptr;
    for (const cuda::LoopKernels& known : kernels_)
        if (known.cell == name && known.options == options && known.storage == precision.storage) found = &known;
    if (found == nullptr) found = &kernels_.emplace_back(find_kernels(name, options, precision.storage));
    // CellKernels is whatever a backend makes of it; only this one looks behind its own.
    return static_cast<const CellKernels*>(static_cast<const void*>(found));
}

void CudaBackend::check_memory(std::string_view argument, const void* p) const {
    cuda::check_memory(gpu_.ordinal, argument, p);
}

void CudaBackend::check_lengths(const std::int64_t* lengths, std::int64_t batch, std::int64_t steps, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::check_lengths(lengths, batch, steps, findings_.bad_length(), cuda::handle_of(stream));
}

void CudaBackend::begin(Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    memory_of(stream);  // which looks whose it is
    findings_.report();
}

void* CudaBackend::allocate(std::size_t bytes) { return cuda::allocate(gpu_.ordinal, bytes); }
void CudaBackend::free(void* p) noexcept { cuda::free(gpu_.ordinal, p); }

void CudaBackend::zero(void* p, std::size_t bytes, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    if (bytes > 0) cuda::check(cudaMemsetAsync(p, 0, bytes, cuda::handle_of(stream)), "cudaMemsetAsync");
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    if (bytes > 0)
        cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, cuda::handle_of(stream)),
                    "cudaMemcpyAsync");
}

void CudaBackend::upload(void* to, const void* from_host, std::size_t bytes, Stream stream) {
    if (bytes == 0) return;
    const cuda::CurrentGpu current(gpu_.ordinal);
    check_memory("to", to);
    memory_of(stream).staging.upload(to, from_host, bytes, cuda::handle_of(stream));
}

void CudaBackend::download(void* to_host, const void* from, std::size_t bytes, Stream stream) {
    if (bytes == 0) return;
    const cuda::CurrentGpu current(gpu_.ordinal);
    check_memory("from", from);
    cuda::check(cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, cuda::handle_of(stream)),
                "cudaMemcpyAsync");
}

void CudaBackend::synchronize(Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::check(cudaStreamSynchronize(cuda::handle_of(stream)), "cudaStreamSynchronize");
    findings_.report();
}

void* CudaBackend::allocate_host(std::size_t bytes) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    return cuda::allocate_host(bytes);
}
void CudaBackend::free_host(void* p) noexcept { cuda::free_host(p); }

void CudaBackend::product(const Product& product, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    matmul_.run(product, memory_of(stream));
}

/// Products read weights row by row either way, so a copy is only made where the type differs, and one serves for W and
/// its transpose.
std::int64_t CudaBackend::packed_bytes(const Packing& packing) const {
    if (packing.kind == Packing::Kind::transposed || packing.dtype == accumulator_of(packing.dtype)) return 0;
    return (packing.gates * packing.units * packing.cols * size_of(packing.dtype) + 63) / 64 * 64;
}

void CudaBackend::pack(const Packing& packing, const void* w, void* packed, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::cast(packing.dtype, packed, accumulator_of(packing.dtype), w, packing.gates * packing.units * packing.cols,
                  cuda::handle_of(stream));
}

}  // namespace rondo
