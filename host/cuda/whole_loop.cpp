/// Time loops in one launch.
#include <algorithm>
#include <limits>

#include "cuda/cuda_backend.hpp"
#include "cuda/loop_choice.hpp"

namespace rondo {
namespace {

/// Longer than any step takes; only blocks that are not resident together wait so long.
constexpr std::uint64_t kLongestWait = 5'000'000'000;  // nanoseconds

const kernels::LoopLaunches& launches_of(const CellKernels* kernels) {
    return static_cast<const cuda::LoopKernels*>(static_cast<const void*>(kernels))->loops;
}

/// Why a layer cannot run so at all; empty: it can.
std::string obstacle(const LoopTask& task, int major) {
    const LayerSpec& layer = task.layer;
    if (major < 8) return "this GPU has no such tensor cores (sm_80 and later have)";
    if (major < 9 && task.extent.loop != TimeLoop::solo)
        return "blocks exchange by copies that report to barriers (of sm_90 and later)";
    if (layer.projection > 0) return "h is projected";
    if (layer.zoneout > 0 || layer.zoneout_cell > 0) return "zoneout";
    if (layer.recurrent_dropout > 0) return "dropout of h";
    if (task.backward && task.stack.recurrent_clip.kind == RecurrentClip::Kind::norm)
        return "gradients are clipped by the norm of a row";
    // Kernels index within a step, and within W_hh, in 32 bits.
    const std::int64_t planes = std::max({task.cell.gates, task.cell.saved, layer.directions()});
    const std::int64_t step = task.extent.batch * planes * layer.hidden, weights = planes * layer.hidden * layer.hidden;
    if (std::max(step, weights) > std::numeric_limits<std::int32_t>::max()) return "more than 2^31 elements a step";
    return "";
}

/// As kernels are told it; 0: there is none.
float limit_of(double clip) { return clip > 0 ? static_cast<float>(clip) : kernels::kNoClip; }

/// Both kinds of loops as they are launched: what they have in common, and of each direction what fill(launched, loop)
/// adds.
template <class Launched, class Loop, class Fill>
kernels::Directions<Launched> launched_of(std::span<const Loop> loops, const Fill& fill) {
    kernels::Directions<Launched> all;
    require(loops.size() <= kernels::kMostDirections, "loops", loops.size(), "must be of one direction or two");
    all.count = static_cast<int>(loops.size());
    for (std::size_t d = 0; d < loops.size(); ++d) {
        const auto& first = loops[d].first;
        const LoopLayer& layer = *first.layer;
        Launched& a = all.of[d];
        a.batch = layer.batch;
        a.hidden = layer.hidden;
        a.steps = loops[d].steps;
        a.t = first.t;
        a.t_step *= loops[d].reverse ? -1 : 1;  // backward begins with -1
        a.lengths = layer.lengths;
        a.clip = limit_of(layer.cell_clip);
        a.saved = first.saved;
        fill(a, loops[d]);
    }
    return all;
}

const kernels::Geometry& geometry_of(const void* whole) { return *static_cast<const kernels::Geometry*>(whole); }

}  // namespace

LoopPolicy CudaBackend::loop_policy(const LoopTask& task) const {
    LoopPolicy policy;
    policy.algorithm = task.cell.scanned() ? "scan over time" : "cuBLASLt + fused kernel";
    const TimeLoop wanted = task.extent.loop;
    // f32 keeps its products until three of tf32 are seen to be faster; so do older GPUs, of which there is no model.
    const bool exact_f32 = task.stack.precision.storage == DType::f32 && task.stack.precision.math == Math::exact;
    if (wanted == TimeLoop::steps || task.cell.scanned() || task.stack.precision.storage == DType::f64 ||
        (wanted == TimeLoop::automatic && (exact_f32 || gpu_.major < 9))) {
        if (wanted != TimeLoop::steps && wanted != TimeLoop::automatic)
            policy.reason = detail::concat(name_of(wanted), " is not for ",
                                           task.cell.scanned() ? task.cell.name : std::string_view("f64"));
        return policy;
    }
    const cuda::CurrentGpu current(gpu_.ordinal);
    const kernels::LoopLaunches& launches =
        launches_of(cell_kernels(task.layer.cell, task.layer.options, task.stack.precision));
    std::string reason = launches.forward == nullptr ? "no kernel for this cell" : obstacle(task, gpu_.major);
    if (reason.empty()) {
        cuda::LoopQuestion question;
        question.shape.gates = task.cell.gates;
        question.shape.states = task.cell.states;
        question.shape.element_bytes = size_of(task.stack.precision.storage);
        question.shape.batch = task.extent.batch;
        question.shape.hidden = task.layer.hidden;
        question.shape.backward = task.backward;
        question.steps = task.steps;
        question.at_once = task.at_once;
        question.threefold = exact_f32;
        const void* const kernel = task.backward ? launches.backward_kernel : launches.forward_kernel;
        const cuda::LoopMachine machine{gpu_.multiprocessors, [&](const kernels::Geometry& geometry) {
                                            return kernels::most_groups(kernel, geometry);
                                        }};
        const cuda::LoopChoice choice = cuda::choose_loop(question, wanted, machine);
        if (choice.geometry) {
            policy.algorithm = cuda::describe(*choice.geometry);
            policy.scratch_bytes = static_cast<std::int64_t>(choice.geometry->scratch_bytes);
            auto geometry = std::make_shared<kernels::Geometry>(*choice.geometry);
            geometry->threefold = exact_f32;
            policy.whole = std::move(geometry);
            return policy;
        }
        reason = choice.reason;
    }
    policy.reason =
        detail::concat("not ", wanted == TimeLoop::automatic ? "in one launch" : name_of(wanted), ": ", reason);
    return policy;
}

kernels::LoopExchange CudaBackend::exchange_of(const LoopLayer& layer, const kernels::Geometry& geometry,
                                               Stream stream) {
    if (geometry.scratch_bytes > 0) zero(layer.scratch, geometry.scratch_bytes, stream);
    return {layer.scratch, kLongestWait, findings_.late()};
}

void CudaBackend::loop_forward(std::span<const LoopForward> loops, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const kernels::Geometry& geometry = geometry_of(loops.front().whole);
    const auto launched =
        launched_of<kernels::LoopForward>(loops, [&](kernels::LoopForward& a, const LoopForward& loop) {
            const StepForward& first = loop.first;
            const LoopLayer& layer = *first.layer;
            a.w = first.packed;
            a.bias_h = first.bias_h;
            a.gates_x = first.gates_x;
            for (int s = 0; s < layer.cell->states; ++s) {
                a.state[s] = first.state[s];
                a.next[s] = first.next[s];
                a.every[s] = loop.every[s];
            }
            a.y = first.y;
            a.y_stride = first.y_stride;
            a.y_step = a.t_step * layer.batch * first.y_stride;
            a.y_scale = static_cast<float>(first.y_scale);
            a.y_add = first.y_add;
            a.exchange = exchange_of(layer, geometry, stream);
        });
    const LoopLayer& layer = *loops.front().first.layer;
    launches_of(layer.kernels).forward(launched, geometry, cuda::handle_of(stream));
}

void CudaBackend::loop_backward(std::span<const LoopBackward> loops, Stream stream) {
    const cuda::CurrentGpu current(gpu_.ordinal);
    const kernels::Geometry& geometry = geometry_of(loops.front().whole);
    const auto launched =
        launched_of<kernels::LoopBackward>(loops, [&](kernels::LoopBackward& a, const LoopBackward& loop) {
            const StepBackward& first = loop.first;
            const LoopLayer& layer = *first.layer;
            a.w = loop.w;
            a.gradient_clip =
                limit_of(layer.recurrent_clip.kind == RecurrentClip::Kind::value ? layer.recurrent_clip.limit : 0);
            a.later_dgates = first.dh.dgates_h;
            a.carry[0] = first.dh.carry;
            a.carry_in_storage = first.dh.carry_dtype == layer.precision.storage;
            a.dstep[0] = first.dh.dstep;
            for (int s = 0; s < layer.cell->states; ++s) {
                a.state[s] = first.state[s];
                a.next[s] = first.next[s];
                a.dstate[s] = first.dstate[s];
                if (s == 0) continue;
                a.carry[s] = first.dnext[s];
                a.dstep[s] = first.dstep[s];
            }
            a.dy = first.dh.dy;
            a.dy_stride = first.dh.dy_stride;
            a.dy_step = a.t_step * layer.batch * first.dh.dy_stride;
            a.dy_scale = static_cast<float>(first.dh.dy_scale);
            a.dgates_x = first.dgates_x;
            a.dgates_h = first.dgates_h;
            a.dh_told = first.dh_told;
            a.exchange = exchange_of(layer, geometry, stream);
        });
    const LoopLayer& layer = *loops.front().first.layer;
    launches_of(layer.kernels).backward(launched, geometry, cuda::handle_of(stream));
}

}  // namespace rondo
