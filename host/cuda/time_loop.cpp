/// The time loop's steps, of one direction or of two at once: a product into each layer's scratch, then one fused kernel.
#include <array>

#include "cuda/cuda_backend.hpp"
#include "observe.hpp"
#include "scan/scan.hpp"

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

/// Behind them, what the maps of row-wise cells keep.
void* row_scratch(const LoopLayer& layer) {
    return static_cast<std::byte*>(row_factors(layer)) + layer.batch * size_of(layer.precision.accumulate);
}

/// make(step) of every step, for one launch.
template <class Step, class Make>
auto for_directions(std::span<const Step> steps, const Make& make) {
    require(steps.size() <= kernels::kMostDirections, "steps", steps.size(), "must be of one direction or two");
    kernels::Directions<decltype(make(steps[0]))> all;
    all.count = static_cast<int>(steps.size());
    for (std::size_t d = 0; d < steps.size(); ++d) all.of[d] = make(steps[d]);
    return all;
}

std::int64_t elements_between(const void* first, const void* second, DType type) {
    return (static_cast<const std::byte*>(second) - static_cast<const std::byte*>(first)) / size_of(type);
}

kernels::ZoneoutOf of(const Zoneout& zoneout) { return {zoneout.rate, zoneout.mask, zoneout.candidate}; }

}  // namespace

std::int64_t CudaBackend::scratch_bytes(const CellInfo& cell, const LayerSpec& layer, Precision precision,
                                        std::int64_t batch) const {
    return (batch * (cell.gates + cell.row_scratch) * layer.hidden + batch) * size_of(precision.accumulate);
}

/// scratch[batch,n] = a[batch,k]·W, W stored [k,n], or [n,k] where transposed.
struct CudaBackend::Recurrent {
    const LoopLayer& layer;
    std::int64_t n, k;
    const void* a;
    std::int64_t a_stride;
    const void* w;
    bool w_transposed;
};

/// What make says of every step, in one call. The products differ in their matrices alone.
template <class Step, class Make>
void CudaBackend::multiply(std::span<const Step> steps, const Make& make, Stream stream) {
    const Recurrent r = make(steps.front());
    Product p;
    p.dtype = r.layer.precision.storage;
    p.c_dtype = r.layer.precision.accumulate;
    p.math = r.layer.precision.math;
    p.m = r.layer.batch;
    p.n = r.n;
    p.k = r.k;
    p.a = r.a;
    p.a_stride = r.a_stride;
    p.b = r.w;
    p.b_stride = r.w_transposed ? r.k : r.n;
    p.b_transposed = r.w_transposed;
    p.c = r.layer.scratch;
    p.c_stride = r.n;
    cuda::MatmulBatch batch;
    if (steps.size() > 1) {
        const Recurrent other = make(steps.back());
        batch = {2, elements_between(r.a, other.a, p.dtype), elements_between(r.w, other.w, p.dtype),
                 elements_between(r.layer.scratch, other.layer.scratch, p.c_dtype)};
    }
    matmul_.run(p, memory_of(stream), batch);
}

void CudaBackend::together(std::span<const StepForward> steps, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    multiply(
        steps,
        [](const StepForward& step) -> Recurrent {
            const LoopLayer& layer = *step.layer;
            return {layer,
                    stage_of(layer, step.stage).gates * layer.hidden,
                    step.stage == 0 ? layer.width : layer.hidden,
                    step.operand,
                    step.operand_stride,
                    step.packed,
                    true};
        },
        stream);
    const auto launched = for_directions(steps, [](const StepForward& step) {
        const LoopLayer& layer = *step.layer;
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
            a.zoneout[s] = of(step.zoneout[s]);
        }
        a.saved = step.saved;
        a.scratch = row_scratch(layer);
        a.recurrent_mask = layer.recurrent_mask;
        a.fed_back = step.fed_back;
        a.y = step.y;
        a.y_stride = step.y_stride;
        a.y_scale = step.y_scale;
        a.y_add = step.y_add;
        return a;
    });
    const StepForward& any = steps.front();
    kernels_of(*any.layer).forward[any.stage](launched, cuda::handle_of(stream));
}

void CudaBackend::together(std::span<const ProjectForward> steps, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    multiply(
        steps,
        [](const ProjectForward& step) -> Recurrent {
            const LoopLayer& layer = *step.layer;
            return {layer, layer.width, layer.hidden, step.unprojected, layer.hidden, step.packed, true};
        },
        stream);
    const auto launched = for_directions(steps, [](const ProjectForward& step) {
        const LoopLayer& layer = *step.layer;
        return kernels::ProjectedState{
            layer.batch,          layer.width,   step.t, layer.lengths, layer.scratch, step.h,    step.next,
            layer.recurrent_mask, step.fed_back, step.y, step.y_stride, step.y_scale,  step.y_add};
    });
    kernels::store_projected(steps.front().layer->precision.storage, launched, cuda::handle_of(stream));
}

/// Makes the products of incoming gradients, and the rows' factors where they are clipped by norm. `dh` of a step tells
/// its gradient.
template <class Step, class Gradient>
kernels::Directions<kernels::Incoming> CudaBackend::incoming(std::span<const Step> steps, const Gradient& dh,
                                                             Stream stream) {
    const LoopLayer& any = *steps.front().layer;
    const bool product = dh(steps.front()).dgates_h != nullptr;
    if (product)
        multiply(
            steps,
            [&](const Step& step) -> Recurrent {
                const LoopLayer& layer = *step.layer;
                return {layer,
                        layer.width,
                        stage_of(layer, 0).gates * layer.hidden,
                        dh(step).dgates_h,
                        dh(step).dgates_stride,
                        dh(step).packed,
                        false};
            },
            stream);
    const RecurrentClip clip = any.recurrent_clip;
    auto made = for_directions(steps, [&](const Step& step) {
        const LoopLayer& layer = *step.layer;
        const IncomingGradient& from = dh(step);
        kernels::Incoming g;
        g.width = layer.width;
        g.t = step.t;
        g.later = from.later;
        g.lengths = layer.lengths;
        g.product = product ? layer.scratch : nullptr;
        g.mask = layer.recurrent_mask;
        g.carry = from.carry;
        g.carry_in_storage = from.carry_dtype == layer.precision.storage;
        if (product && clip.kind == RecurrentClip::Kind::value) g.clip = clip.limit;
        g.dy = from.dy;
        g.dy_stride = from.dy_stride;
        g.dy_scale = from.dy_scale;
        g.dstep = from.dstep;
        return g;
    });
    if (!product || clip.kind != RecurrentClip::Kind::norm) return made;
    kernels::Directions<kernels::RowClip> clips;
    clips.count = made.count;
    for (std::size_t d = 0; d < steps.size(); ++d) clips.of[d] = {made.of[d], clip.limit, row_factors(*steps[d].layer)};
    kernels::clip_rows(any.precision.storage, clips, any.batch, cuda::handle_of(stream));
    for (std::size_t d = 0; d < steps.size(); ++d) made.of[d].row_factor = clips.of[d].row_factor;
    return made;
}

void CudaBackend::together(std::span<const StepBackward> steps, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const StepBackward& any = steps.front();
    const LoopLayer& like = *any.layer;
    const bool last = any.stage + 1 == static_cast<int>(like.cell->stages.size());
    kernels::Directions<kernels::Incoming> dh;
    if (!last) {
        multiply(
            steps,
            [](const StepBackward& step) -> Recurrent {
                const LoopLayer& layer = *step.layer;
                return {layer,
                        layer.hidden,
                        stage_of(layer, step.stage + 1).gates * layer.hidden,
                        step.next_stage_dgates,
                        step.next_stage_stride,
                        step.next_stage_packed,
                        false};
            },
            stream);
    } else if (like.projected) {
        multiply(
            steps,
            [](const StepBackward& step) -> Recurrent {
                const LoopLayer& layer = *step.layer;
                return {layer, layer.hidden, layer.width, step.dh_whole, layer.width, step.projection, false};
            },
            stream);
    } else {
        dh = incoming(
            steps, [](const StepBackward& step) -> const IncomingGradient& { return step.dh; }, stream);
    }
    auto launched = for_directions(steps, [&](const StepBackward& step) {
        const LoopLayer& layer = *step.layer;
        kernels::CellBackward a;
        a.batch = layer.batch;
        a.hidden = layer.hidden;
        a.width = layer.width;
        a.t = step.t;
        a.lengths = layer.lengths;
        a.projected = layer.projected;
        if (!last || layer.projected) a.product = layer.scratch;
        if (last && layer.projected) a.dh_whole = step.dh_whole;
        a.vectors = layer.vectors;
        a.clip = layer.cell_clip;
        for (int s = 0; s < layer.cell->states; ++s) {
            a.state[s] = step.state[s];
            a.next[s] = step.next[s];
            a.dnext[s] = step.dnext[s];
            a.dstep[s] = step.dstep[s];
            a.zoneout[s] = step.zoneout[s];
            a.dstate[s] = step.dstate[s];
        }
        a.saved = step.saved;
        a.scratch = row_scratch(layer);
        a.dgates_x = step.dgates_x;
        a.dgates_h = step.dgates_h;
        a.dvectors = step.dvectors;
        if (last && !layer.projected) a.dh_told = step.dh_told;
        return a;
    });
    for (int d = 0; d < launched.count; ++d) launched.of[d].dh = dh.of[d];
    kernels_of(like).backward[any.stage](launched, cuda::handle_of(stream));
}

void CudaBackend::together(std::span<const GradientOfH> steps, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const auto dh = incoming(
        steps, [](const GradientOfH& step) -> const IncomingGradient& { return step.dh; }, stream);
    kernels::Directions<kernels::WholeGradient> launched;
    launched.count = dh.count;
    for (std::size_t d = 0; d < steps.size(); ++d) launched.of[d] = {dh.of[d], steps[d].out};
    const LoopLayer& layer = *steps.front().layer;
    kernels::gradient_of_h(layer.precision.storage, launched, layer.batch, cuda::handle_of(stream));
}

void CudaBackend::scan_forward(const ScanForward& scan, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *scan.layer;
    kernels::ScanForwardOf a;
    a.batch = layer.batch;
    a.hidden = layer.hidden;
    a.begin = scan.begin;
    a.end = scan.end;
    a.reverse = scan.reverse;
    a.lengths = layer.lengths;
    a.gates_x = scan.gates_x;
    a.h = scan.h;
    a.next = scan.next;
    a.saved = scan.saved;
    a.zoneout = of(scan.zoneout);
    a.y = scan.y;
    a.y_stride = scan.y_stride;
    a.y_scale = scan.y_scale;
    a.y_add = scan.y_add;
    kernels::scan_forward(layer.cell->name, layer.precision.storage, a, cuda::handle_of(stream));
}

void CudaBackend::scan_backward(const ScanBackward& scan, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const LoopLayer& layer = *scan.layer;
    kernels::ScanBackwardOf a;
    a.batch = layer.batch;
    a.hidden = layer.hidden;
    a.begin = scan.begin;
    a.end = scan.end;
    a.reverse = scan.reverse;
    a.lengths = layer.lengths;
    a.before = scan.before;
    a.saved = scan.saved;
    a.zoneout = scan.zoneout;
    a.carry = scan.carry;
    a.carry_in_storage = scan.carry_dtype == layer.precision.storage;
    a.dy = scan.dy;
    a.dy_stride = scan.dy_stride;
    a.dy_scale = scan.dy_scale;
    a.dstep = scan.dstep;
    a.dgates_x = scan.dgates_x;
    a.dstate = scan.dstate;
    a.dh_told = scan.dh_told;
    kernels::scan_backward(layer.cell->name, layer.precision.storage, a, cuda::handle_of(stream));
}

void CudaBackend::observe(const Observation& seen, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    kernels::Observed a;
    a.begin = seen.begin;
    a.steps = seen.steps;
    a.batch = seen.batch;
    a.hidden = seen.hidden;
    a.width = seen.width;
    a.lengths = seen.lengths;
    a.dh_in_storage = seen.dh_dtype == seen.storage;
    a.dh = seen.dh;
    a.dy = seen.dy;
    a.dy_stride = seen.dy_stride;
    a.dy_scale = seen.dy_scale;
    a.dstep = seen.dstep;
    static_assert(kMaxGates <= kernels::kMostGates);
    for (int g = 0; g < seen.gate_count; ++g)
        a.gates[g] = {seen.gates[g].kind, seen.gates[g].values, seen.gates[g].stride};
    a.gate_count = seen.gate_count;
    a.shut = kGateShut;
    a.open = kGateOpen;
    a.out = seen.out;
    kernels::observe(seen.storage, a, cuda::handle_of(stream));
}

void CudaBackend::step_forward(const StepForward& step, Stream stream) { together(std::span(&step, 1), stream); }
void CudaBackend::project_forward(const ProjectForward& step, Stream stream) { together(std::span(&step, 1), stream); }
void CudaBackend::step_backward(const StepBackward& step, Stream stream) { together(std::span(&step, 1), stream); }
void CudaBackend::gradient_of_h(const GradientOfH& step, Stream stream) { together(std::span(&step, 1), stream); }

}  // namespace rondo
