#pragma once
/// What the modules around the recurrent stacks ask of a device: attention, normalisation, pooling, CTC. The rules of
/// backend.hpp hold. Rows are the (step, row of the batch) pairs of a time-major value, a stride their distance in
/// elements; sums are taken in Precision::accumulate and in a fixed order.
#include <cstdint>

#include "rondo/device.hpp"
#include "rondo/dtype.hpp"
#include "rondo/network.hpp"

namespace rondo {

/// What f32 and 16-bit values are summed in, and f64 ones.
constexpr DType accumulator_of(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

/// to[r,:] = from[(r / divide + shifts[r % divide]) % modulo,:], or that added to it.
struct RowMap {
    DType dtype = DType::f32;  ///< of `to`
    std::int64_t rows = 0, cols = 0;
    void* to = nullptr;
    std::int64_t to_stride = 0;
    DType from_dtype = DType::f32;  ///< dtype, or what it accumulates in
    const void* from = nullptr;
    std::int64_t from_stride = 0;
    std::int64_t divide = 1, modulo = 1;
    bool add = false;
    const std::int64_t* shifts = nullptr;  ///< [divide], none negative; null: 0
};

/// The reverse: to[g,:] = (add ? to[g,:] : 0) + Σ_i from[g·group_step + i·item_step,:], i < items, in order.
struct RowSums {
    DType to_dtype = DType::f32;  ///< dtype, or what it accumulates in
    void* to = nullptr;           ///< out [groups, cols]
    DType dtype = DType::f32;     ///< of `from`
    const void* from = nullptr;
    std::int64_t from_stride = 0, groups = 0, group_step = 0, items = 0, item_step = 0, cols = 0;
    bool add = false;
};

/// Rows of a sequence as they are, behind others: to[begins[b] + t,b,:] = from[t,rows[b],:] for t < lengths[rows[b]].
struct CopyRows {
    std::int64_t bytes = 0;  ///< of a row; a multiple of 2
    std::int64_t steps = 0, batch = 0, from_batch = 0;
    const std::int64_t* rows = nullptr;     ///< [batch]; null: b itself
    const std::int64_t* lengths = nullptr;  ///< [from_batch]; null: all steps
    const std::int64_t* begins = nullptr;   ///< [batch]; null: 0
    const void* from = nullptr;             ///< in [steps, from_batch]
    void* to = nullptr;                     ///< out [.., batch]
};

/// Where each row goes on: ends[b] = begins[b] + its steps now. Throws Error where one would pass `most` (a GPU's host at
/// its next wait); that row begins at 0 again, so that what follows stays within its memory. steps <= most.
struct Advance {
    std::int64_t steps = 0, batch = 0, most = 0;
    const std::int64_t* lengths = nullptr;  ///< [B] steps now; null: all
    const std::int64_t* before = nullptr;   ///< [B] steps until now; null: 0
    std::int64_t* begins = nullptr;         ///< out [B]: before
    std::int64_t* ends = nullptr;           ///< out [B]; not before
};

/// One vector from the steps of each row: the last valid one, their mean, or the largest of each element. A row without
/// a step gives zeros.
struct Pool {
    PoolSpec::Kind kind = PoolSpec::Kind::last;
    DType dtype = DType::f32;
    std::int64_t steps = 0, batch = 0, width = 0;
    const std::int64_t* lengths = nullptr;  ///< [B], null where all steps are valid
    const void* x = nullptr;                ///< forward: in [T,B,W]
    void* y = nullptr;                      ///< forward: out [B,W]
    std::int32_t* chosen = nullptr;         ///< max: [B,W] the step it came from (the first of equals), -1 for none;
                                            ///< forward: out, may be null; backward: in
    const void* dy = nullptr;               ///< backward: in [B,W]
    void* dx = nullptr;                     ///< backward: out [T,B,W], zero where nothing came from
};

/// y = f(x), element by element; dx = dy·f'(x).
struct Activation {
    ActivationSpec::Kind kind = ActivationSpec::Kind::tanh;
    DType dtype = DType::f32;
    std::int64_t count = 0;
    const void* x = nullptr;
    void* y = nullptr;         ///< forward: out; may be x
    const void* dy = nullptr;  ///< backward: in
    void* dx = nullptr;        ///< backward: out; may be dy
};

/// y = gain·(x - mean)/sqrt(variance + epsilon) + bias over each row (the variance divided by cols).
struct LayerNorm {
    DType dtype = DType::f32;
    std::int64_t rows = 0, cols = 0;
    double epsilon = 1e-5;
    const void* x = nullptr;     ///< in [rows, cols]
    const void* gain = nullptr;  ///< in [cols], accumulator_of(dtype), like all below but y, dy and dx
    const void* bias = nullptr;  ///< forward: in [cols]
    void* y = nullptr;           ///< forward: out
    void* mean = nullptr;        ///< [rows]; forward: out, backward: in
    void* scale = nullptr;       ///< [rows] 1/sqrt(variance + epsilon); forward: out, backward: in
    const void* dy = nullptr;    ///< backward: in
    void* dx = nullptr;          ///< backward: out; may be dy; null where it is not wanted
    void* dgain = nullptr;       ///< backward: out [cols]
    void* dbias = nullptr;       ///< backward: out [cols]
    bool accumulate = false;     ///< add to dgain and dbias
};

/// Scaled dot-product attention with several heads, exact, without a T x S matrix:
///     w[t,s] = softmax over the allowed s of (scale·q[t]·k[s]),   out[t] = Σ_s w[t,s]·v[s]
/// for each row of the batch and each head. Allowed: s < key_lengths[b], and s <= begins[b] + t where causal. A query
/// that nothing is allowed to, or that lies past query_lengths[b], gives zeros. What lies past a length may be anything,
/// NaN too.
struct Attention {
    DType dtype = DType::f32;
    std::int64_t queries = 0, keys = 0;  ///< steps T and S
    std::int64_t batch = 0, heads = 1;
    std::int64_t width = 0;        ///< of a head of q and k
    std::int64_t value_width = 0;  ///< of a head of v and out
    double scale = 1;
    bool causal = false;
    const std::int64_t* query_lengths = nullptr;            ///< [B] or null
    const std::int64_t* key_lengths = nullptr;              ///< [B] or null
    const std::int64_t* begins = nullptr;                   ///< forward: [B] keys before query 0; null: 0, and backward
    const void *q = nullptr, *k = nullptr, *v = nullptr;    ///< in [T or S, B, heads·width]
    std::int64_t q_stride = 0, k_stride = 0, v_stride = 0;  ///< distance of two rows (t,b)
    void* out = nullptr;                                    ///< [T,B,heads·value_width]; backward: in
    std::int64_t out_stride = 0;
    void* log_sums = nullptr;  ///< [T,B,heads] log Σ exp of the scaled scores, accumulator_of(dtype), -inf of nothing;
                               ///< forward: out, null where there will be no backward; backward: in
    // Backward. Gradients have the strides of what they are of; null where one is not wanted. dq is written, dk and dv
    // are written or added to.
    const void* dout = nullptr;
    void *dq = nullptr, *dk = nullptr, *dv = nullptr;
    bool accumulate = false;  ///< add to dk and dv
    void* scratch = nullptr;  ///< [T,B,heads], accumulator_of(dtype)
};

/// Attention whose scores come from a one-layer network (Bahdanau et al. 2015; Luong et al. 2015, "concat"):
///     w[t,s] = softmax over s < lengths[b] of (vector · tanh(q[t] + k[s])),   out[t] = Σ_s w[t,s]·v[s]
/// A row without keys gives zeros. What lies past a length may be anything, NaN too.
struct AdditiveAttention {
    DType dtype = DType::f32;
    std::int64_t queries = 0, keys = 0, batch = 0;
    std::int64_t width = 0;                       ///< of q, k and the vector
    std::int64_t value_width = 0;                 ///< of v and out
    const std::int64_t* query_lengths = nullptr;  ///< [B] or null; what lies past them gives zeros
    const std::int64_t* key_lengths = nullptr;    ///< [B] or null
    const void* q = nullptr;                      ///< in [T,B,width]
    const void* k = nullptr;                      ///< in [S,B,width]
    const void* v = nullptr;                      ///< in [S,B,value_width]
    const void* vector = nullptr;                 ///< in [width], accumulator_of(dtype)
    void* weights = nullptr;                      ///< [T,B,S], accumulator_of(dtype); forward: out, backward: in
    void* out = nullptr;                          ///< forward: out [T,B,value_width]
    // Backward. dq is written, dk, dv and dvector are written or added to; dq, dk and dv may be null.
    const void* dout = nullptr;
    void *dq = nullptr, *dk = nullptr, *dv = nullptr;
    void* dvector = nullptr;      ///< [width], accumulator_of(dtype)
    bool accumulate = false;      ///< add to dk and dv
    bool add_to_dvector = false;  ///< and to dvector
    void* scratch = nullptr;      ///< [T,B,S] and then [B,width], accumulator_of(dtype)
};

/// The weights of dot-product attention, for people to look at: the mean over the heads.
struct AttentionWeights {
    const Attention* attention = nullptr;  ///< with log_sums
    void* weights = nullptr;               ///< out [T,B,S], accumulator_of(dtype)
};

/// Connectionist temporal classification (Graves et al. 2006), in log space: -log Σ over all paths that become the
/// target when repetitions and then blanks are taken away. Every target must fit its row: at least as many steps as
/// labels and pairs of equal neighbours; the host checks that.
struct Ctc {
    DType dtype = DType::f32;
    std::int64_t steps = 0, batch = 0, classes = 0;
    std::int64_t target_steps = 0;
    std::int32_t blank = 0;
    const void* logits = nullptr;           ///< in [T,B,classes]
    const std::int64_t* lengths = nullptr;  ///< [B] or null
    const std::int32_t* targets = nullptr;  ///< in [target_steps,B]; labels, then -1
    double* loss = nullptr;                 ///< out: the sum over the rows; added to it
    std::int64_t* counted = nullptr;        ///< out: labels; added to it
    void* dlogits = nullptr;                ///< out [T,B,classes]: scale·dloss/dlogits; may be logits; or null
    const double* scale = nullptr;          ///< as CrossEntropy's
    const double* loss_scale = nullptr;
    void* scratch = nullptr;  ///< ctc_scratch
};

/// What a sampled softmax (SampledSoftmaxSpec) looks at: ids[0..rows) the targets, 0 where a row is left out, and
/// ids[rows..) the samples, rising: the first classes whose `cumulated` is above (j + u_j)/samples, u_j the number of
/// Philox at the counter (step, j).
struct DrawCandidates {
    std::int64_t rows = 0, classes = 0, samples = 0;
    const std::int32_t* targets = nullptr;  ///< in [rows]; negative: the row is left out
    const double* cumulated = nullptr;      ///< in [classes]: Q of a class and of all before it; the last is 1
    const RandomState* random = nullptr;    ///< in
    std::int32_t* ids = nullptr;            ///< out [rows + samples]
    std::int32_t* places = nullptr;  ///< out [rows]: `samples`, where CandidateLogits has the target, or negative
    double* log_counts = nullptr;    ///< out [samples]: log(samples·Q(s))
};

/// Logits of the samples made into those of a small softmax: logits[r,j] - log_counts[j], -inf where sample j is row r's
/// target; the target's own, x[r]·weight[r] + bias[r], in column `samples`, and -inf behind it.
struct CandidateLogits {
    DType dtype = DType::f32;
    std::int64_t rows = 0, samples = 0, width = 0;
    std::int64_t columns = 0;           ///< of logits; above samples
    const void* x = nullptr;            ///< in [rows, width]
    const void* weight = nullptr;       ///< in [rows, width]: of the targets
    const void* bias = nullptr;         ///< in [rows] or null
    const std::int32_t* ids = nullptr;  ///< as DrawCandidates gives them
    const double* log_counts = nullptr;
    void* logits = nullptr;  ///< in, out [rows, columns]
};

/// to[r,:] = (add ? to[r,:] : 0) + factors[r]·from[r,:], nothing of a row whose factor is 0, whatever it holds.
struct ScaleRows {
    DType to_dtype = DType::f32;  ///< dtype, or what it accumulates in
    DType dtype = DType::f32;     ///< of factors and `from`
    std::int64_t rows = 0, cols = 0;
    const void* factors = nullptr;  ///< in, factor_stride apart
    std::int64_t factor_stride = 1;
    const void* from = nullptr;  ///< in [rows, cols]; null: ones
    void* to = nullptr;          ///< [rows, cols]
    bool add = false;
};

class ModuleOps {
public:
    virtual ~ModuleOps() = default;

    // What a part of a network needs that runs step by step.
    /// to[t,b] = t < lengths[b] ? 1 : 0, i64 [steps, batch]: each step's lengths.
    virtual void step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                              Stream stream) = 0;
    /// to[i] = {philox_subseed(from.seed, i), from.step}, i < count
    virtual void random_states(const RandomState* from, std::int64_t count, RandomState* to, Stream stream) = 0;
    /// out[i] = which[i] ? a[i] : max(b[i], 0), i < count. out may be any of them.
    virtual void select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                            std::int32_t* out, Stream stream) = 0;

    virtual void map_rows(const RowMap& map, Stream stream) = 0;
    virtual void sum_rows(const RowSums& sums, Stream stream) = 0;
    virtual void copy_rows(const CopyRows& copy, Stream stream) = 0;
    virtual void advance(const Advance& advance, Stream stream) = 0;
    virtual void pool_forward(const Pool& pool, Stream stream) = 0;
    virtual void pool_backward(const Pool& pool, Stream stream) = 0;
    virtual void activation_forward(const Activation& activation, Stream stream) = 0;
    virtual void activation_backward(const Activation& activation, Stream stream) = 0;
    virtual void layer_norm_forward(const LayerNorm& norm, Stream stream) = 0;
    virtual void layer_norm_backward(const LayerNorm& norm, Stream stream) = 0;
    virtual void attention_forward(const Attention& attention, Stream stream) = 0;
    virtual void attention_backward(const Attention& attention, Stream stream) = 0;
    virtual void attention_weights(const AttentionWeights& weights, Stream stream) = 0;
    virtual void additive_attention_forward(const AdditiveAttention& attention, Stream stream) = 0;
    virtual void additive_attention_backward(const AdditiveAttention& attention, Stream stream) = 0;
    virtual void draw_candidates(const DrawCandidates& draw, Stream stream) = 0;
    virtual void candidate_logits(const CandidateLogits& logits, Stream stream) = 0;
    virtual void scale_rows(const ScaleRows& scale, Stream stream) = 0;
    virtual void ctc(const Ctc& loss, Stream stream) = 0;
    /// Bytes of Ctc::scratch.
    virtual std::int64_t ctc_scratch(DType dtype, std::int64_t steps, std::int64_t batch, std::int64_t classes,
                                     std::int64_t target_steps) const = 0;
};

}  // namespace rondo
