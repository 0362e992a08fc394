#pragma once
/// A GPU behind the backend interface. Every call is queued on the stream it is given and returns.
#include <cuda_runtime_api.h>

#include <list>
#include <mutex>

#include "cuda/gpu.hpp"
#include "cuda/matmul.hpp"
#include "cuda/stream.hpp"
#include "pointwise/cell.hpp"
#include "scheduler/backend.hpp"

namespace rondo {

namespace cuda {

/// A cell's fused kernels: what CellKernels is here.
struct LoopKernels {
    std::string_view cell;
    CellOptions options;
    DType storage;
    kernels::LaunchForward forward[kMaxStages];
    kernels::LaunchBackward backward[kMaxStages];
};

}  // namespace cuda

class CudaBackend final : public Backend {
public:
    /// Throws Error (unsupported) where this machine has no such GPU.
    explicit CudaBackend(int ordinal = 0);
    ~CudaBackend() override;

    std::string_view name() const override { return "cuda"; }
    std::string description() const override { return gpu_.description(); }
    void check(Precision precision) const override;
    const CellKernels* cell_kernels(std::string_view name, CellOptions options, Precision precision) const override;
    // All steps of most: each chunk costs launches, and reads and writes dW once.
    std::int64_t chunk_bytes() const override { return std::int64_t{256} << 20; }
    std::string algorithm(const LayerSpec& layer, const Extent& extent) const override;
    std::int64_t scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                               std::int64_t batch) const override;
    void check_memory(std::string_view argument, const void* p) const override;

    void* allocate(std::size_t bytes) override;
    void free(void* p) noexcept override;
    void zero(void* p, std::size_t bytes, Stream stream) override;
    void copy(void* to, const void* from, std::size_t bytes, Stream stream) override;
    void upload(void* to, const void* from_host, std::size_t bytes, Stream stream) override;
    void download(void* to_host, const void* from, std::size_t bytes, Stream stream) override;
    void synchronize(Stream stream) override;

    void product(const Product& product, Stream stream) override;
    std::int64_t packed_bytes(const Packing& packing) const override;
    void pack(const Packing& packing, const void* w, void* packed, Stream stream) override;

    void step_forward(const StepForward& step, Stream stream) override;
    void project_forward(const ProjectForward& step, Stream stream) override;
    void step_backward(const StepBackward& step, Stream stream) override;
    void gradient_of_h(const GradientOfH& step, Stream stream) override;

    void mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch, std::int64_t cols,
                   const std::int64_t* lengths, Stream stream) override;
    void dropout(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch, std::int64_t cols,
                 double rate, bool per_sequence, std::uint64_t site, const RandomState* random,
                 const std::int64_t* lengths, Stream stream) override;
    void column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                     bool accumulate, Stream stream) override;

    void embedding_forward(DType dtype, void* out, const void* table, const std::int32_t* ids, std::int64_t rows,
                           std::int64_t cols, Stream stream) override;
    void embedding_backward(DType dtype, void* dtable, const void* dout, const std::int32_t* ids, std::int64_t rows,
                            std::int64_t cols, std::int64_t classes, Stream stream) override;
    void cross_entropy(const CrossEntropy& loss, Stream stream) override;
    void sample(const Sample& sample, Stream stream) override;
    void squared_error(DType dtype, const void* prediction, const void* target, std::int64_t count, double* loss,
                       void* dprediction, double scale, Stream stream) override;

    void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                        Stream stream) override;
    void scale(DType dtype, void* x, std::int64_t count, double factor, Stream stream) override;
    void clamp(DType dtype, void* x, std::int64_t count, double limit, Stream stream) override;
    void update(const Update& update, Stream stream) override;

private:
    struct Recurrent;  // one product of a time loop
    void multiply(const LoopLayer& layer, const Recurrent& product, Stream stream);
    kernels::Incoming incoming(const LoopLayer& layer, const IncomingGradient& dh, std::int64_t t, Stream stream);
    cuda::StreamMemory& memory_of(Stream stream) { return memories_.of(cuda::handle_of(stream)); }

    cuda::Gpu gpu_;
    cuda::Matmul matmul_;
    cuda::StreamMemories memories_;
    mutable std::mutex kernels_mutex_;
    mutable std::list<cuda::LoopKernels> kernels_;  // addresses stay
};

}  // namespace rondo
