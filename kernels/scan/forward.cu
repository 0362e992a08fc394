// h(t) = a(t)·h(before) + b(t) for all steps of a cell without a recurrent product, one block for 32 units of a row, eight
// segments of time side by side (segments.cuh)
//   gates_x [n,B,G,H]   h [B,H]   next [n,B,H]   saved [n,B,R,H]   y [n,B,..]
//   idle rows (t >= lengths[b]): next = h, saved = 0, y = 0, whatever the gates hold
//   traffic: 2G·C + (R + 1 + y)·S bytes an element, half of the gates' from a cache; memory-bound; deterministic
#include "pointwise/output.cuh"
#include "scan/scan.hpp"
#include "scan/segments.cuh"

namespace rondo::kernels {

/// The map of the i-th step that is taken, and what is saved of it.
template <class Cell, class S>
RONDO_DEVICE Linear<Compute<S>> forward_map(const ScanForwardOf& a, const Segment& at, std::int64_t step,
                                            ScanElement<Cell, Compute<S>>& e) {
    using C = Compute<S>;
#pragma unroll
    for (int r = 0; r < Cell::kSaved; ++r) e.saved[r] = 0;
    if (!takes(a.lengths, at.row, a.begin + step)) return {};
    const std::int64_t element = step * a.batch + at.row;
#pragma unroll
    for (int g = 0; g < Cell::kGates; ++g)
        e.gates[g] = static_cast<const C*>(a.gates_x)[(element * Cell::kGates + g) * a.hidden + at.unit];
    Cell::forward(e);
    if (!(a.zoneout.rate > 0)) return {e.a, e.b};
    C stays = static_cast<C>(a.zoneout.rate);
    if (a.zoneout.mask != nullptr)
        stays = to_compute(static_cast<const S*>(a.zoneout.mask)[element * a.hidden + at.unit]) == C(0) ? C(1) : C(0);
    return {math::fma(stays, C(1) - e.a, e.a), (C(1) - stays) * e.b};
}

template <class Cell, class S>
__global__ void __launch_bounds__(kScanUnits* kScanSegments, kScanBlocks)
    scan_forward_kernel(const __grid_constant__ ScanForwardOf a) {
    using C = Compute<S>;
    const std::int64_t n = a.end - a.begin;
    const Segment at(a.hidden, n);
    const auto step_of = [&](std::int64_t i) { return a.reverse ? n - 1 - i : i; };
    ScanElement<Cell, C> e;
    Linear<C> mine;
    if (!at.idle)
        for (std::int64_t i = at.first; i < at.last; ++i) mine = forward_map<Cell, S>(a, at, step_of(i), e).after(mine);
    C h = at.idle ? C(0) : to_compute(static_cast<const S*>(a.h)[at.row * a.hidden + at.unit]);
    h = before_segment(mine, h);
    if (at.idle) return;
    for (std::int64_t i = at.first; i < at.last; ++i) {
        const std::int64_t step = step_of(i), element = step * a.batch + at.row;
        h = forward_map<Cell, S>(a, at, step, e)(h);
        static_cast<S*>(a.next)[element * a.hidden + at.unit] = to_storage<S>(h);
        if (a.saved != nullptr) {
#pragma unroll
            for (int r = 0; r < Cell::kSaved; ++r)
                static_cast<S*>(a.saved)[(element * Cell::kSaved + r) * a.hidden + at.unit] = to_storage<S>(e.saved[r]);
        }
        S* const rows = a.y ? static_cast<S*>(a.y) + step * a.batch * a.y_stride : nullptr;
        const Output<S> y{rows, a.y_stride, static_cast<C>(a.y_scale), a.y_add};
        const C stored[1] = {rounded<S>(h)};
        if (takes(a.lengths, at.row, a.begin + step))
            y.put(stored, at.row, at.unit);
        else
            y.template put_idle<1>(at.row, at.unit);
    }
}

template <class Cell, class S>
void launch_scan(const ScanForwardOf& scan, cudaStream_t stream) {
    device::launch({.kernel = "scan_forward",
                    .grid = scan_blocks(scan.batch, scan.hidden),
                    .block = dim3(kScanUnits, kScanSegments),
                    .stream = stream},
                   scan_forward_kernel<Cell, S>, scan);
}

void scan_forward(std::string_view cell, DType storage, const ScanForwardOf& scan, cudaStream_t stream) {
    with_scanned_cell(
        cell, [&]<class Cell>() { with_storage(storage, [&]<class S>() { launch_scan<Cell, S>(scan, stream); }); });
}

}  // namespace rondo::kernels
