#pragma once
/// The steps of the time loop once more, as plainly as they can be written: scalar maps, sums in order, no packing.
#include <cmath>
#include <vector>

#include "scheduler/backend.hpp"

namespace rondo::test {

inline bool takes(const LoopLayer& layer, std::int64_t row, std::int64_t t) {
    return layer.lengths == nullptr || t < layer.lengths[row];
}

/// Σ_k a[k]·b[k·step]
template <class T>
T dot(const void* a, const T* b, std::int64_t k, std::int64_t step) {
    long double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) sum += static_cast<long double>(static_cast<const T*>(a)[i]) * b[i * step];
    return static_cast<T>(sum);
}

template <class T>
const T* in(const void* p, std::int64_t at) {
    return static_cast<const T*>(p) + at;
}
template <class T>
T value(const void* p, std::int64_t at) {
    return p ? *in<T>(p, at) : T(0);
}
template <class T>
T& out(void* p, std::int64_t at) {
    return static_cast<T*>(p)[at];
}

/// y[row,u] of a row that took the step, or did not.
template <class T, class Step>
void put_y(const Step& s, std::int64_t row, std::int64_t u, T h, bool active) {
    if (!s.y) return;
    T& y = out<T>(s.y, row * s.y_stride + u);
    if (active)
        y = (s.y_add ? y : T(0)) + static_cast<T>(s.y_scale) * h;
    else if (!s.y_add)
        y = 0;
}

/// w: the stage's rows of W_hh, [gates·H, cols].
template <class Cell, int kStage, class T>
void naive_forward(const StepForward& s, const T* w) {
    const LoopLayer& l = *s.layer;
    const std::int64_t H = l.hidden, cols = kStage == 0 ? l.width : H;
    const Stage stage = Cell::kStages[kStage];
    const bool last = kStage + 1 == Cell::kStages.size();
    for (std::int64_t b = 0; b < l.batch; ++b)
        for (std::int64_t u = 0; u < H; ++u) {
            auto saved = [&](int p) -> T& { return out<T>(s.saved, (b * Cell::kSaved + p) * H + u); };
            if (!takes(l, b, s.t)) {
                for (int p = 0; s.saved && p < Cell::kSaved; ++p) saved(p) = 0;
                if (!last) continue;
                for (int i = 0; i < Cell::kStates; ++i)
                    out<T>(s.next[i], b * H + u) = i == 0 && l.projected ? T(0) : value<T>(s.state[i], b * H + u);
                put_y(s, b, u, T(0), false);
                continue;
            }
            ForwardElement<Cell, T> e{};
            for (int g = 0; g < Cell::kGates; ++g) e.gates_x[g] = value<T>(s.gates_x, (b * Cell::kGates + g) * H + u);
            for (int g = 0; g < stage.gates; ++g)
                e.gates_h[stage.first_gate + g] =
                    dot(in<T>(s.operand, b * s.operand_stride), w + (g * H + u) * cols, cols, 1) +
                    value<T>(s.bias_h, s.bias_h ? g * H + u : 0);
            for (int i = l.projected ? 1 : 0; i < Cell::kStates; ++i) e.state[i] = value<T>(s.state[i], b * H + u);
            for (int v = 0; v < Cell::kVectors; ++v) e.vectors[v] = value<T>(l.vectors, v * H + u);
            e.clip = l.cell_clip > 0 ? static_cast<T>(l.cell_clip) : std::numeric_limits<T>::infinity();
            if (kStage > 0)
                for (int p = 0; p < Cell::kSaved; ++p) e.saved[p] = saved(p);
            Cell::template forward<kStage>(e);
            for (int p = 0; s.saved && p < Cell::kSaved; ++p) saved(p) = e.saved[p];
            if (!last) continue;
            for (int i = 0; i < Cell::kStates; ++i) out<T>(s.next[i], b * H + u) = e.next[i];
            put_y(s, b, u, e.next[0], true);
        }
}

/// w: W_hr [P,H].
template <class T>
void naive_project(const ProjectForward& s, const T* w) {
    const LoopLayer& l = *s.layer;
    for (std::int64_t b = 0; b < l.batch; ++b)
        for (std::int64_t u = 0; u < l.width; ++u) {
            const bool active = takes(l, b, s.t);
            const T h = active ? dot(in<T>(s.unprojected, b * l.hidden), w + u * l.hidden, l.hidden, 1)
                               : value<T>(s.h, b * l.width + u);
            out<T>(s.next, b * l.width + u) = h;
            put_y(s, b, u, h, active);
        }
}

/// IncomingGradient as [B,width]; w: stage 0's rows of W_hh, [gates·H, width].
template <class T>
std::vector<T> naive_incoming(const LoopLayer& l, std::int64_t t, const IncomingGradient& g, const T* w) {
    std::vector<T> dh(static_cast<std::size_t>(l.batch * l.width));
    const std::int64_t k = l.cell->stages[0].gates * l.hidden;
    for (std::int64_t b = 0; b < l.batch; ++b) {
        T* const row = dh.data() + b * l.width;
        for (std::int64_t u = 0; u < l.width; ++u) row[u] = value<T>(g.carry, g.carry ? b * l.width + u : 0);
        if (g.dgates_h && takes(l, b, g.later)) {
            long double squares = 0;
            for (std::int64_t u = 0; u < l.width; ++u) {
                row[u] += dot(in<T>(g.dgates_h, b * g.dgates_stride), w + u, k, l.width);
                squares += static_cast<long double>(row[u]) * row[u];
            }
            const T limit = static_cast<T>(l.recurrent_clip.limit);
            const T norm = static_cast<T>(std::sqrt(squares));
            for (std::int64_t u = 0; u < l.width; ++u) {
                if (l.recurrent_clip.kind == RecurrentClip::Kind::value) row[u] = math::clamp(row[u], limit);
                if (l.recurrent_clip.kind == RecurrentClip::Kind::norm && norm > limit) row[u] *= limit / norm;
            }
        }
        if (!takes(l, b, t)) continue;
        for (std::int64_t u = 0; u < l.width; ++u) {
            if (g.dy) row[u] += static_cast<T>(g.dy_scale) * value<T>(g.dy, b * g.dy_stride + u);
            if (g.dstep) row[u] += value<T>(g.dstep, b * l.width + u);
        }
    }
    return dh;
}

template <class T>
void naive_gradient_of_h(const GradientOfH& s, const T* w) {
    const std::vector<T> dh = naive_incoming(*s.layer, s.t, s.dh, w);
    std::copy(dh.begin(), dh.end(), static_cast<T*>(s.out));
}

/// w: stage 0's rows of W_hh; w_next: those of the stage after this one; w_hr: the projection.
template <class Cell, int kStage, class T>
void naive_backward(const StepBackward& s, const T* w, const T* w_next, const T* w_hr) {
    const LoopLayer& l = *s.layer;
    const std::int64_t H = l.hidden;
    constexpr bool kLast = kStage + 1 == Cell::kStages.size();
    std::vector<T> dh;
    if (kLast && !l.projected) dh = naive_incoming(l, s.t, s.dh, w);
    std::vector<T> whole(l.projected ? static_cast<std::size_t>(l.batch * l.width) : 0);
    for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = value<T>(s.dh_whole, static_cast<std::int64_t>(i));
    for (std::int64_t b = 0; b < l.batch; ++b)
        for (std::int64_t u = 0; u < H; ++u) {
            const std::int64_t at = b * H + u;
            auto dgates_x = [&](int g) -> T& { return out<T>(s.dgates_x, (b * Cell::kGates + g) * H + u); };
            auto dgates_h = [&](int g) -> T& { return out<T>(s.dgates_h, (b * Cell::kGates + g) * H + u); };
            if (!takes(l, b, s.t)) {
                for (int g = 0; g < Cell::kGates; ++g) dgates_x(g) = dgates_h(g) = 0;
                if (!kLast) continue;
                if (!l.projected) out<T>(s.dstate[0], at) = dh[static_cast<std::size_t>(at)];
                for (int i = 1; i < Cell::kStates; ++i)
                    out<T>(s.dstate[i], at) = value<T>(s.dnext[i], s.dnext[i] ? at : 0);
                continue;
            }
            BackwardElement<Cell, T> e{};
            for (int i = 0; i < Cell::kStates; ++i) {
                if (i > 0 || !l.projected) {
                    e.state[i] = value<T>(s.state[i], at);
                    e.next[i] = value<T>(s.next[i], at);
                }
                if (kLast && i > 0)
                    e.dnext[i] = value<T>(s.dnext[i], s.dnext[i] ? at : 0) + value<T>(s.dstep[i], s.dstep[i] ? at : 0);
                if (!kLast) e.dstate[i] = value<T>(s.dstate[i], at);
            }
            for (int p = 0; p < Cell::kSaved; ++p) e.saved[p] = value<T>(s.saved, (b * Cell::kSaved + p) * H + u);
            for (int v = 0; v < Cell::kVectors; ++v) e.vectors[v] = value<T>(l.vectors, v * H + u);
            e.clip = l.cell_clip > 0 ? static_cast<T>(l.cell_clip) : std::numeric_limits<T>::infinity();
            if constexpr (!kLast) {
                const std::int64_t k = Cell::kStages[kStage + 1].gates * H;
                e.doperand = dot(in<T>(s.next_stage_dgates, b * s.next_stage_stride), w_next + u, k, H);
                for (int g = 0; g < Cell::kGates; ++g) e.dgates_x[g] = dgates_x(g);
            } else {
                e.dnext[0] = l.projected ? dot(whole.data() + b * l.width, w_hr + u, l.width, H)
                                         : dh[static_cast<std::size_t>(at)];
            }
            Cell::template backward<kStage>(e);
            for (int g = 0; g < Cell::kGates; ++g) {
                dgates_x(g) = e.dgates_x[g];
                dgates_h(g) = Cell::kSharedGateGradients ? e.dgates_x[g] : e.dgates_h[g];
            }
            for (int i = l.projected ? 1 : 0; i < Cell::kStates; ++i) out<T>(s.dstate[i], at) = e.dstate[i];
            for (int v = 0; v < Cell::kVectors; ++v)
                out<T>(s.dvectors, (b * Cell::kVectors + v) * H + u) += e.dvectors[v];
        }
    if (kLast && l.projected)
        for (std::int64_t i = 0; i < l.batch * l.width; ++i)
            out<T>(s.dstate[0], i) = takes(l, i / l.width, s.t) ? T(0) : whole[static_cast<std::size_t>(i)];
}

}  // namespace rondo::test
