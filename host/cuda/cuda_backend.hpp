#pragma once
/// A GPU behind the backend interface. Every call is queued on the stream it is given and returns.
#include <cuda_runtime_api.h>

#include <list>
#include <mutex>

#include "cuda/findings.hpp"
#include "cuda/gpu.hpp"
#include "cuda/matmul.hpp"
#include "cuda/stream.hpp"
#include "persistent/persistent.hpp"
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
    kernels::LoopLaunches loops;
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
    LoopPolicy loop_policy(const LoopTask& task) const override;
    std::int64_t scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                               std::int64_t batch) const override;
    void check_memory(std::string_view argument, const void* p) const override;
    void check_lengths(const std::int64_t* lengths, std::int64_t batch, std::int64_t steps, Stream stream) override;
    void throw_findings() override { findings_.report(); }
    void begin(Stream stream) override;

    void* allocate(std::size_t bytes) override;
    void free(void* p) noexcept override;
    void zero(void* p, std::size_t bytes, Stream stream) override;
    void copy(void* to, const void* from, std::size_t bytes, Stream stream) override;
    void copy_all(std::span<const Copy> copies, Stream stream) override;
    void upload(void* to, const void* from_host, std::size_t bytes, Stream stream) override;
    void download(void* to_host, const void* from, std::size_t bytes, Stream stream) override;
    void synchronize(Stream stream) override;
    void* allocate_host(std::size_t bytes) override;
    void free_host(void* p) noexcept override;

    Stream make_stream() override;
    void free_stream(Stream stream) noexcept override;
    void* make_event() override;
    void free_event(void* event) noexcept override;
    void mark(void* event, Stream stream) override;
    void wait(void* event) override;
    int streams() const override { return kMostStreams; }
    Stream beside(Stream stream, int n) override;
    void order(std::span<const Wait> waits) override;
    bool can_record(Stream stream) const override;
    void* record(Stream stream, const std::function<void()>& work) override;
    void replay(void* recording, Stream stream) override;
    void free_recording(void* recording) noexcept override;

    void product(const Product& product, Stream stream) override;
    std::int64_t packed_bytes(const Packing& packing) const override;
    void pack(const Packing& packing, const void* w, void* packed, Stream stream) override;

    void step_forward(const StepForward& step, Stream stream) override;
    void project_forward(const ProjectForward& step, Stream stream) override;
    void step_backward(const StepBackward& step, Stream stream) override;
    void gradient_of_h(const GradientOfH& step, Stream stream) override;
    void loop_forward(std::span<const LoopForward> loops, Stream stream) override;
    void loop_backward(std::span<const LoopBackward> loops, Stream stream) override;
    void scan_forward(const ScanForward& scan, Stream stream) override;
    void scan_backward(const ScanBackward& scan, Stream stream) override;
    void observe(const Observation& observation, Stream stream) override;
    void together(std::span<const StepForward> steps, Stream stream) override;
    void together(std::span<const ProjectForward> steps, Stream stream) override;
    void together(std::span<const StepBackward> steps, Stream stream) override;
    void together(std::span<const GradientOfH> steps, Stream stream) override;

    void mask_rows(DType dtype, void* out, const void* x, std::int64_t steps, std::int64_t batch, std::int64_t cols,
                   const std::int64_t* lengths, Stream stream) override;
    void dropout(const Dropout& dropout, Stream stream) override;
    void column_sums(DType dtype, void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                     bool accumulate, Stream stream) override;

    void embedding_forward(DType dtype, void* out, DType table_dtype, const void* table, const std::int32_t* ids,
                           std::int64_t rows, std::int64_t cols, Stream stream) override;
    void embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout, const std::int32_t* ids,
                            std::int64_t rows, std::int64_t cols, std::int64_t classes, Stream stream) override;
    void cross_entropy(const CrossEntropy& loss, Stream stream) override;
    void sample(const Sample& sample, Stream stream) override;
    void squared_error(const SquaredError& loss, Stream stream) override;
    void add(DType dtype, void* to, const void* from, std::int64_t count, Stream stream) override;
    void zero_unless_finite(void* p, std::size_t bytes, const double* values, std::int64_t count,
                            Stream stream) override;

    void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                        Stream stream) override;
    void largest(DType dtype, const void* x, std::int64_t count, double* largest, Stream stream) override;
    void plan_update(const UpdatePlan& plan, Stream stream) override;
    void update(const Update& update, Stream stream) override;

    void step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                      Stream stream) override;
    void random_states(const RandomState* from, std::int64_t count, RandomState* to, Stream stream) override;
    void select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                    std::int32_t* out, Stream stream) override;
    void map_rows(const RowMap& map, Stream stream) override;
    void sum_rows(const RowSums& sums, Stream stream) override;
    void copy_rows(const CopyRows& copy, Stream stream) override;
    void advance(const Advance& advance, Stream stream) override;
    void pool_forward(const Pool& pool, Stream stream) override;
    void pool_backward(const Pool& pool, Stream stream) override;
    void activation_forward(const Activation& activation, Stream stream) override;
    void activation_backward(const Activation& activation, Stream stream) override;
    void layer_norm_forward(const LayerNorm& norm, Stream stream) override;
    void layer_norm_backward(const LayerNorm& norm, Stream stream) override;
    void attention_forward(const Attention& attention, Stream stream) override;
    void attention_backward(const Attention& attention, Stream stream) override;
    void attention_weights(const AttentionWeights& weights, Stream stream) override;
    void additive_attention_forward(const AdditiveAttention& attention, Stream stream) override;
    void additive_attention_backward(const AdditiveAttention& attention, Stream stream) override;
    void draw_candidates(const DrawCandidates& draw, Stream stream) override;
    void candidate_logits(const CandidateLogits& logits, Stream stream) override;
    void scale_rows(const ScaleRows& scale, Stream stream) override;
    void ctc(const Ctc& loss, Stream stream) override;
    std::int64_t ctc_scratch(DType dtype, std::int64_t steps, std::int64_t batch, std::int64_t classes,
                             std::int64_t target_steps) const override;

private:
    struct Recurrent;  // one product of a time loop
    template <class Step, class Make>
    void multiply(std::span<const Step> steps, const Make& make, Stream stream);
    kernels::LoopExchange exchange_of(const LoopLayer& layer, const kernels::Geometry& geometry, Stream stream);
    template <class Step, class Gradient>
    kernels::Directions<kernels::Incoming> incoming(std::span<const Step> steps, const Gradient& dh, Stream stream);
    cuda::StreamMemory& memory_of(Stream stream) { return memories_.of(cuda::handle_of(stream)); }

    cuda::Gpu gpu_;
    cuda::Matmul matmul_;
    cuda::StreamMemories memories_;
    cuda::Findings findings_;
    mutable std::mutex kernels_mutex_;
    mutable std::list<cuda::LoopKernels> kernels_;  // addresses stay
};

}  // namespace rondo
