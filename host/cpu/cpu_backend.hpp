#pragma once
/// The CPU behind the backend interface: f32 and f64, one pool of threads, instructions chosen at run time.
/// Everything is done when a call returns; streams are ignored. Numbers below the smallest normal one count as zero.
#include <vector>

#include "cpu/isa.hpp"
#include "cpu/thread_pool.hpp"
#include "scheduler/backend.hpp"
#include "scheduler/cut_softmax.hpp"

namespace rondo {

namespace cpu {
struct Table;  // cpu/table.hpp: what is compiled once for each instruction set
struct Context;
}  // namespace cpu

class CpuBackend : public Backend {
public:
    /// 0 threads: one for each core this process may use. Throws Error when negative.
    explicit CpuBackend(int threads = 0);
    /// The same with an instruction set of the caller's choice. Throws Error (unsupported) where it does not run.
    CpuBackend(int threads, cpu::Isa isa);
    ~CpuBackend() override;

    std::string_view name() const override;
    std::string description() const override;
    bool shares_host_memory() const override { return true; }
    void check(Precision precision) const override;
    const CellKernels* cell_kernels(std::string_view name, CellOptions options, Precision precision) const override;
    std::int64_t chunk_bytes() const override { return std::int64_t{4} << 20; }  // so that they stay in a cache
    LoopPolicy loop_policy(const LoopTask& task) const override;

    std::int64_t scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                               std::int64_t batch) const override;

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
    void scan_forward(const ScanForward& scan, Stream stream) override;
    void scan_backward(const ScanBackward& scan, Stream stream) override;
    void observe(const Observation& observation, Stream stream) override;

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

    void sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate,
                        Stream stream) override;
    void largest(DType dtype, const void* x, std::int64_t count, double* largest, Stream stream) override;
    void plan_update(const UpdatePlan& plan, Stream stream) override;
    void update(const Update& update, Stream stream) override;

    cpu::ThreadPool& pool() noexcept { return pool_; }

private:
    cpu::Context context();

    cpu::ThreadPool pool_;
    cpu::Isa isa_;
    const cpu::Table* table_;
    void* scratch_;  // table_->scratch_bytes for each thread
    std::vector<double> logits_;
    CutSoftmax cut_softmax_;
};

}  // namespace rondo
