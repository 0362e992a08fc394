/// The operations of modules around the recurrent stacks (scheduler/module_ops.hpp).
#include "additive_attention.hpp"
#include "attention/attention.hpp"
#include "ctc.hpp"
#include "cuda/cuda_backend.hpp"
#include "feed_forward.hpp"
#include "loop.hpp"
#include "sampled_softmax.hpp"
#include "sequence.hpp"

namespace rondo {
namespace {

kernels::PoolArrays arrays_of(const Pool& p) {
    using Kind = kernels::PoolArrays::Kind;
    const Kind kind = p.kind == PoolSpec::Kind::last   ? Kind::last
                      : p.kind == PoolSpec::Kind::mean ? Kind::mean
                                                       : Kind::max;
    return {kind, p.dtype, p.steps, p.batch, p.width, p.lengths, p.x, p.y, p.chosen, p.dy, p.dx};
}

kernels::ActivationArrays arrays_of(const Activation& a) {
    using Kind = kernels::ActivationArrays::Kind;
    Kind kind = Kind::tanh;
    switch (a.kind) {
        case ActivationSpec::Kind::tanh:
            kind = Kind::tanh;
            break;
        case ActivationSpec::Kind::sigmoid:
            kind = Kind::sigmoid;
            break;
        case ActivationSpec::Kind::relu:
            kind = Kind::relu;
            break;
        case ActivationSpec::Kind::gelu:
            kind = Kind::gelu;
            break;
    }
    return {kind, a.dtype, a.count, a.x, a.y, a.dy, a.dx};
}

kernels::LayerNormArrays arrays_of(const LayerNorm& n) {
    return {n.dtype, n.rows,  n.cols, n.epsilon, n.x,     n.gain,  n.bias,      n.y,
            n.mean,  n.scale, n.dy,   n.dx,      n.dgain, n.dbias, n.accumulate};
}

kernels::AttentionArrays arrays_of(const Attention& a) {
    for (const std::int64_t width : {a.width, a.value_width})
        require(width <= kernels::kWidestHead, "width", width,
                detail::concat("of a head must be at most ", kernels::kWidestHead, " on cuda"));
    return {a.dtype, a.causal,        a.accumulate,  a.queries, a.keys, a.batch, a.heads,    a.width,    a.value_width,
            a.scale, a.query_lengths, a.key_lengths, a.q,       a.k,    a.v,     a.q_stride, a.k_stride, a.v_stride,
            a.out,   a.out_stride,    a.log_sums,    a.dout,    a.dq,   a.dk,    a.dv,       a.scratch,  a.begins};
}

kernels::AdditiveAttentionArrays arrays_of(const AdditiveAttention& a) {
    return {a.dtype, a.accumulate,  a.add_to_dvector, a.queries,     a.keys, a.batch,
            a.width, a.value_width, a.query_lengths,  a.key_lengths, a.q,    a.k,
            a.v,     a.vector,      a.weights,        a.out,         a.dout, a.dq,
            a.dk,    a.dv,          a.dvector,        a.scratch};
}

}  // namespace

void CudaBackend::step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                               Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::step_lengths(lengths, steps, batch, to, cuda::handle_of(stream));
}

void CudaBackend::random_states(const RandomState* from, std::int64_t count, RandomState* to, Stream stream) {
    static_assert(sizeof(RandomState) == 2 * sizeof(std::uint64_t));
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::random_states(&from->seed, &from->step, count, &to->seed, cuda::handle_of(stream));
}

void CudaBackend::select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b,
                             std::int64_t count, std::int32_t* out, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::select_ids(which, a, b, count, out, cuda::handle_of(stream));
}

void CudaBackend::map_rows(const RowMap& m, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::map_rows({m.dtype, m.rows, m.cols, m.to, m.to_stride, m.from_dtype, m.from, m.from_stride, m.divide,
                       m.modulo, m.add, m.shifts},
                      cuda::handle_of(stream));
}

void CudaBackend::sum_rows(const RowSums& s, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::sum_rows(
        {s.to_dtype, s.to, s.dtype, s.from, s.from_stride, s.groups, s.group_step, s.items, s.item_step, s.cols, s.add},
        cuda::handle_of(stream));
}

void CudaBackend::copy_rows(const CopyRows& c, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::copy_rows({c.bytes, c.steps, c.batch, c.from_batch, c.rows, c.lengths, c.begins, c.from, c.to},
                       cuda::handle_of(stream));
}

void CudaBackend::advance(const Advance& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::advance({a.steps, a.batch, a.most, a.lengths, a.before, a.begins, a.ends, findings_.full_row()},
                     cuda::handle_of(stream));
}

void CudaBackend::pool_forward(const Pool& p, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::pool_forward(arrays_of(p), cuda::handle_of(stream));
}

void CudaBackend::pool_backward(const Pool& p, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::pool_backward(arrays_of(p), cuda::handle_of(stream));
}

void CudaBackend::activation_forward(const Activation& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::activation_forward(arrays_of(a), cuda::handle_of(stream));
}

void CudaBackend::activation_backward(const Activation& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::activation_backward(arrays_of(a), cuda::handle_of(stream));
}

void CudaBackend::layer_norm_forward(const LayerNorm& n, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::layer_norm_forward(arrays_of(n), cuda::handle_of(stream));
}

void CudaBackend::layer_norm_backward(const LayerNorm& n, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    cuda::StreamMemory& memory = memory_of(stream);
    // First, since dx may lie where dy does.
    kernels::layer_norm_parameters_backward(arrays_of(n), memory.scratch().data(),
                                            static_cast<std::int64_t>(memory.scratch().bytes()), memory.stream);
    if (n.dx) kernels::layer_norm_backward(arrays_of(n), memory.stream);
}

void CudaBackend::attention_forward(const Attention& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::attention_forward(arrays_of(a), cuda::handle_of(stream));
}

void CudaBackend::attention_backward(const Attention& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const kernels::AttentionArrays arrays = arrays_of(a);
    kernels::attention_deltas(arrays, cuda::handle_of(stream));
    if (a.dq) kernels::attention_backward_queries(arrays, cuda::handle_of(stream));
    if (a.dk || a.dv) kernels::attention_backward_keys(arrays, cuda::handle_of(stream));
}

void CudaBackend::attention_weights(const AttentionWeights& w, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::attention_weights(arrays_of(*w.attention), w.weights, cuda::handle_of(stream));
}

void CudaBackend::additive_attention_forward(const AdditiveAttention& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::additive_attention_forward(arrays_of(a), cuda::handle_of(stream));
}

void CudaBackend::additive_attention_backward(const AdditiveAttention& a, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::additive_attention_backward(arrays_of(a), cuda::handle_of(stream));
}

void CudaBackend::draw_candidates(const DrawCandidates& d, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    // Only addresses of `random` are taken here: it lies on the device.
    kernels::draw_candidates({d.rows, d.classes, d.samples, d.targets, d.cumulated, &d.random->seed, &d.random->step,
                              d.ids, d.places, d.log_counts},
                             cuda::handle_of(stream));
}

void CudaBackend::candidate_logits(const CandidateLogits& c, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::candidate_logits(
        {c.dtype, c.rows, c.samples, c.width, c.columns, c.x, c.weight, c.bias, c.ids, c.log_counts, c.logits},
        cuda::handle_of(stream));
}

void CudaBackend::scale_rows(const ScaleRows& s, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::scale_rows({s.to_dtype, s.dtype, s.rows, s.cols, s.factors, s.factor_stride, s.from, s.to, s.add},
                        cuda::handle_of(stream));
}

std::int64_t CudaBackend::ctc_scratch(DType, std::int64_t steps, std::int64_t batch, std::int64_t,
                                      std::int64_t target_steps) const {
    return kernels::ctc_scratch(steps, batch, target_steps);
}

void CudaBackend::ctc(const Ctc& c, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::ctc({c.dtype, c.blank, c.steps, c.batch, c.classes, c.target_steps, c.logits, c.lengths, c.targets, c.loss,
                  c.counted, c.dlogits, c.scale, c.loss_scale},
                 c.scratch, cuda::handle_of(stream));
}

}  // namespace rondo
