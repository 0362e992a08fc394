/// The time loop's steps: a product into the layer's scratch, then one fused kernel.
#include "cuda/cuda_backend.hpp"

namespace rondo {
namespace {

const cuda::LoopKernels& kernels_of(const LoopLayer& layer) {
    return *static_cast<const cuda::LoopKernels*>(static_cast<const void*>(layer.kernels));
}

const Stage& stage_of(const LoopLayer& layer, int stage) { return layer.cell->stages[static_cast<std::size_t>(stage)]; }

/// The scratch begins with a product's result; behind it stands a factor for each row, where rows are clipped by norm.
void* row_factors(const LoopLayer& layer) {
    return static_cast<std::byte*>(layer.scratch) +
           layer.batch * layer.cell->gates * layer.hidden * size_of(layer.precision.accumulate);
}

}  // namespace

std::int64_t CudaBackend::scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                                        std::int64_t batch) const {
    return (batch * cell.gates * layer.hidden + batch) * size_of(precision.accumulate);
}

/// scratch[batch,n] = a[batch,k]·W, W stored [k,n], or [n,k] where transposed.
struct CudaBackend::Recurrent {
    std::int64_t n, k;
    const void* a;
    std::int64_t a_stride;
    const void* w;
    bool w_transposed;
};

void CudaBackend::multiply(const LoopLayer& layer, const Recurrent& r, Stream stream) {
    Product p;
    p.dtype = layer.precision.storage;
    p.c_dtype = layer.precision.accumulate;
    p.math = layer.precision.math;
    p.m = layer.batch;
    p.n = r.n;
    p.k = r.k;
    p.a = r.a;
    p.a_stride = r.a_stride;
    p.b = r.w;
    p.b_stride = r.w_transposed ? r.k : r.n;
    p.b_transposed = r.w_transposed;
    p.c = layer.scratch;
    p.c_stride = r.n;
    matmul_.run(p, memory_of(stream));
}

void CudaBackend::step_forward(const StepForward& step, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *step.layer;
    const std::int64_t cols = step.stage == 0 ? layer.width : layer.hidden;
    multiply(
        layer,
        {stage_of(layer, step.stage).gates * layer.hidden, cols, step.operand, step.operand_stride, step.packed, true},
        stream);
    kernels::CellForward a;
    a.batch = layer.batch;
    a.hidden = layer.hidden;
    a.t = step.t;
    a.lengths = layer.lengths;
    a.gates_x = step.gates_x;
    a.gates_h = layer.scratch;
    a.bias_h = step.bias_h;
    a.vectors = layer.vectors;
    a.clip = layer.cell_clip;
    a.projected = layer.projected;
    for (int s = 0; s < layer.cell->states; ++s) {
        a.state[s] = step.state[s];
        a.next[s] = step.next[s];
    }
    a.saved = step.saved;
    a.y = step.y;
    a.y_stride = step.y_stride;
    a.y_scale = step.y_scale;
    a.y_add = step.y_add;
    kernels_of(layer).forward[step.stage](a, cuda::handle_of(stream));
}

void CudaBackend::project_forward(const ProjectForward& step, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *step.layer;
    multiply(layer, {layer.width, layer.hidden, step.unprojected, layer.hidden, step.packed, true}, stream);
    kernels::store_projected(layer.precision.storage,
                             {layer.batch, layer.width, step.t, layer.lengths, layer.scratch, step.h, step.next, step.y,
                              step.y_stride, step.y_scale, step.y_add},
                             cuda::handle_of(stream));
}

/// Makes the product of an incoming gradient, and the rows' factors where they are clipped by norm.
kernels::Incoming CudaBackend::incoming(const LoopLayer& layer, const IncomingGradient& dh, std::int64_t t,
                                        Stream stream) {
    kernels::Incoming g;
    g.width = layer.width;
    g.t = t;
    g.later = dh.later;
    g.lengths = layer.lengths;
    g.carry = dh.carry;
    g.carry_in_storage = dh.carry_dtype == layer.precision.storage;
    g.dy = dh.dy;
    g.dy_stride = dh.dy_stride;
    g.dy_scale = dh.dy_scale;
    g.dstep = dh.dstep;
    if (!dh.dgates_h) return g;
    multiply(layer,
             {layer.width, stage_of(layer, 0).gates * layer.hidden, dh.dgates_h, dh.dgates_stride, dh.packed, false},
             stream);
    g.product = layer.scratch;
    switch (layer.recurrent_clip.kind) {
        case RecurrentClip::Kind::none:
            break;
        case RecurrentClip::Kind::value:
            g.clip = layer.recurrent_clip.limit;
            break;
        case RecurrentClip::Kind::norm:
            kernels::clip_rows(layer.precision.storage, g, layer.batch, layer.recurrent_clip.limit, row_factors(layer),
                               cuda::handle_of(stream));
            g.row_factor = row_factors(layer);
            break;
    }
    return g;
}

void CudaBackend::step_backward(const StepBackward& step, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *step.layer;
    const bool last = step.stage + 1 == static_cast<int>(layer.cell->stages.size());
    kernels::CellBackward a;
    a.batch = layer.batch;
    a.hidden = layer.hidden;
    a.width = layer.width;
    a.t = step.t;
    a.lengths = layer.lengths;
    a.projected = layer.projected;
    if (!last) {
        multiply(layer,
                 {layer.hidden, stage_of(layer, step.stage + 1).gates * layer.hidden, step.next_stage_dgates,
                  step.next_stage_stride, step.next_stage_packed, false},
                 stream);
        a.product = layer.scratch;
    } else if (layer.projected) {
        multiply(layer, {layer.hidden, layer.width, step.dh_whole, layer.width, step.projection, false}, stream);
        a.product = layer.scratch;
        a.dh_whole = step.dh_whole;
    } else {
        a.dh = incoming(layer, step.dh, step.t, stream);
    }
    a.vectors = layer.vectors;
    a.clip = layer.cell_clip;
    for (int s = 0; s < layer.cell->states; ++s) {
        a.state[s] = step.state[s];
        a.next[s] = step.next[s];
        a.dnext[s] = step.dnext[s];
        a.dstep[s] = step.dstep[s];
        a.dstate[s] = step.dstate[s];
    }
    a.saved = step.saved;
    a.dgates_x = step.dgates_x;
    a.dgates_h = step.dgates_h;
    a.dvectors = step.dvectors;
    kernels_of(layer).backward[step.stage](a, cuda::handle_of(stream));
}

void CudaBackend::gradient_of_h(const GradientOfH& step, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *step.layer;
    kernels::gradient_of_h(layer.precision.storage, incoming(layer, step.dh, step.t, stream), layer.batch, step.out,
                           cuda::handle_of(stream));
}

}  // namespace rondo
