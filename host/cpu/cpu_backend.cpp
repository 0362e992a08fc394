#include "cpu/cpu_backend.hpp"

#include <cstdlib>
#include <cstring>

#include "cpu/table.hpp"

namespace rondo {
namespace {

const cpu::Functions& functions(const cpu::Table& table, DType dtype) {
    if (dtype == DType::f32) return table.f32;
    if (dtype == DType::f64) return table.f64;
    throw Error(ErrorCode::unsupported, detail::concat("dtype = ", dtype, ": the CPU computes in f32 and f64"));
}

}  // namespace

CpuBackend::CpuBackend(int threads) : CpuBackend(threads, cpu::best_isa()) {}

CpuBackend::CpuBackend(int threads, cpu::Isa isa) : pool_(threads), isa_(isa), table_(&cpu::table_of(isa)) {
    scratch_ = allocate(table_->scratch_bytes * static_cast<std::size_t>(pool_.threads()));
}

CpuBackend::~CpuBackend() { free(scratch_); }

std::string_view CpuBackend::name() const { return "cpu"; }

std::string CpuBackend::description() const {
    return detail::concat("cpu, ", pool_.threads(), pool_.threads() == 1 ? " thread, " : " threads, ",
                          cpu::name_of(isa_), " instructions");
}

void CpuBackend::check(Precision precision) const {
    if (precision == Precision::f32() || precision == Precision::f64()) return;
    throw Error(ErrorCode::unsupported,
                detail::concat("dtype = ", precision.name(), ": the CPU computes in f32 and f64"));
}

const CellKernels* CpuBackend::cell_kernels(std::string_view name, CellOptions options, Precision precision) const {
    check(precision);
    int index = 0;
    visit_cell(name, options, [&]<class Cell>() { index = cpu::kIndexOf<Cell, CellList>; });
    return &functions(*table_, precision.storage).cells->cells[index];
}

LoopPolicy CpuBackend::loop_policy(const LoopTask& task) const {
    LoopPolicy policy;
    policy.algorithm =
        detail::concat("cpu ", cpu::name_of(isa_),
                       task.cell.scanned() ? ", scan over time" : ", packed product fused with the cell's map");
    return policy;
}

/// Of cells that need whole rows: the product, and what their maps keep.
std::int64_t CpuBackend::scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                                       std::int64_t batch) const {
    if (!cell.row_wise) return 0;
    return batch * layer.hidden * (cell.gates + cell.row_scratch) * size_of(precision.accumulate);
}

void* CpuBackend::allocate(std::size_t bytes) {
    const std::size_t rounded = (bytes + 63) / 64 * 64;
    void* const p = rounded < bytes ? nullptr : std::aligned_alloc(64, rounded == 0 ? 64 : rounded);
    if (!p) throw Error(ErrorCode::out_of_memory, detail::concat("cannot allocate ", bytes, " bytes of host memory"));
    return p;
}

void CpuBackend::free(void* p) noexcept { std::free(p); }

void CpuBackend::zero(void* p, std::size_t bytes, Stream) {
    if (bytes > 0) std::memset(p, 0, bytes);
}

void CpuBackend::copy(void* to, const void* from, std::size_t bytes, Stream) {
    if (bytes > 0) std::memmove(to, from, bytes);
}

void CpuBackend::upload(void* to, const void* from_host, std::size_t bytes, Stream stream) {
    copy(to, from_host, bytes, stream);
}

void CpuBackend::download(void* to_host, const void* from, std::size_t bytes, Stream stream) {
    copy(to_host, from, bytes, stream);
}

void CpuBackend::synchronize(Stream) {}

cpu::Context CpuBackend::context() { return {pool_, static_cast<std::byte*>(scratch_), table_->scratch_bytes}; }

void CpuBackend::product(const Product& product, Stream) {
    if (product.c_dtype != product.dtype)
        throw Error(ErrorCode::unsupported,
                    detail::concat("c_dtype = ", product.c_dtype, ": must be that of the operands on the CPU, ",
                                   product.dtype));
    functions(*table_, product.dtype).product(product, context());
}

std::int64_t CpuBackend::packed_bytes(const Packing& packing) const {
    if (packing.kind == Packing::Kind::plain) return 0;
    return functions(*table_, packing.dtype).packed_bytes(packing);
}

void CpuBackend::pack(const Packing& packing, const void* w, void* packed, Stream) {
    if (packing.kind == Packing::Kind::plain) return;
    functions(*table_, packing.dtype).pack(packing, w, packed, context());
}

void CpuBackend::step_forward(const StepForward& step, Stream) {
    functions(*table_, step.layer->precision.storage).step_forward(step, context());
}

void CpuBackend::project_forward(const ProjectForward& step, Stream) {
    functions(*table_, step.layer->precision.storage).project_forward(step, context());
}

void CpuBackend::step_backward(const StepBackward& step, Stream) {
    functions(*table_, step.layer->precision.storage).step_backward(step, context());
}

void CpuBackend::gradient_of_h(const GradientOfH& step, Stream) {
    functions(*table_, step.layer->precision.storage).gradient_of_h(step, context());
}

void CpuBackend::scan_forward(const ScanForward& scan, Stream) {
    functions(*table_, scan.layer->precision.storage).scan_forward(scan, context());
}

void CpuBackend::scan_backward(const ScanBackward& scan, Stream) {
    functions(*table_, scan.layer->precision.storage).scan_backward(scan, context());
}

void CpuBackend::column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols,
                             std::int64_t stride, bool accumulate, Stream) {
    functions(*table_, dtype).column_sums(sums, x, rows, cols, stride, accumulate, context());
}

void CpuBackend::mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch,
                           std::int64_t cols, const std::int64_t* lengths, Stream) {
    const std::size_t bytes = static_cast<std::size_t>(cols * size_of(dtype));
    if (bytes == 0) return;
    pool_.parallel_for(
        steps * batch, 1 + (1 << 16) / static_cast<std::int64_t>(bytes),
        [=](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t row = begin; row < end; ++row) {
                std::byte* const to = static_cast<std::byte*>(out) + static_cast<std::size_t>(row) * bytes;
                const std::byte* const from = static_cast<const std::byte*>(x) + static_cast<std::size_t>(row) * bytes;
                if (lengths != nullptr && row / batch >= lengths[row % batch])
                    std::memset(to, 0, bytes);
                else if (to != from)
                    std::memcpy(to, from, bytes);
            }
        });
}

}  // namespace rondo
