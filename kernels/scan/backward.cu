// dh(t) = carry + dy(t) + dstep(t), dgates = Cell::backward(dh·h(before), dh), carry = a(t)·dh(t): the scan of forward.cu in
// the other order
//   saved [n,B,R,H]   before, dstep [n,B,H]   carry, dstate [B,H]   dgates_x [n,B,G,H]
//   idle rows (t >= lengths[b]): dgates = 0, carry as it was
//   traffic: (2R + G + 5)·S bytes an element, R + 2 of them from a cache; memory-bound; deterministic
#include "scan/scan.hpp"
#include "scan/segments.cuh"

namespace rondo::kernels {

/// dh but for the carry.
template <class S>
RONDO_DEVICE Compute<S> from_outputs(const ScanBackwardOf& a, const Segment& at, std::int64_t element) {
    using C = Compute<S>;
    C dh = 0;
    if (a.dy != nullptr)
        dh += to_compute(static_cast<const S*>(a.dy)[element * a.dy_stride + at.unit]) * static_cast<C>(a.dy_scale);
    if (a.dstep != nullptr) dh += to_compute(static_cast<const S*>(a.dstep)[element * a.hidden + at.unit]);
    return dh;
}

template <class Cell, class S>
RONDO_DEVICE void load_saved(Compute<S> (&saved)[Cell::kSaved], const ScanBackwardOf& a, const Segment& at,
                             std::int64_t element) {
#pragma unroll
    for (int r = 0; r < Cell::kSaved; ++r)
        saved[r] = to_compute(static_cast<const S*>(a.saved)[(element * Cell::kSaved + r) * a.hidden + at.unit]);
}

/// Whether zoneout kept h as it was.
template <class S>
RONDO_DEVICE bool stayed(const ScanBackwardOf& a, const Segment& at, std::int64_t element) {
    return a.zoneout != nullptr &&
           to_compute(static_cast<const S*>(a.zoneout)[element * a.hidden + at.unit]) == Compute<S>(0);
}

template <class Cell, class S>
__global__ void __launch_bounds__(kScanUnits* kScanSegments, kScanBlocks)
    scan_backward_kernel(const __grid_constant__ ScanBackwardOf a) {
    using C = Compute<S>;
    const std::int64_t n = a.end - a.begin;
    const Segment at(a.hidden, n);
    const auto step_of = [&](std::int64_t i) { return a.reverse ? i : n - 1 - i; };
    ScanElement<Cell, C> e;
    Linear<C> mine;
    if (!at.idle)
        for (std::int64_t i = at.first; i < at.last; ++i) {
            const std::int64_t step = step_of(i), element = step * a.batch + at.row;
            if (!takes(a.lengths, at.row, a.begin + step)) continue;
            load_saved<Cell, S>(e.saved, a, at, element);
            const C decay = stayed<S>(a, at, element) ? C(1) : Cell::decay(e.saved);
            mine = Linear<C>{decay, decay * from_outputs<S>(a, at, element)}.after(mine);
        }
    C carry = 0;
    const std::int64_t own = at.row * a.hidden + at.unit;
    if (a.carry != nullptr && !at.idle)
        carry =
            a.carry_in_storage ? to_compute(static_cast<const S*>(a.carry)[own]) : static_cast<const C*>(a.carry)[own];
    carry = before_segment(mine, carry);
    if (at.idle) return;
    for (std::int64_t i = at.first; i < at.last; ++i) {
        const std::int64_t step = step_of(i), element = step * a.batch + at.row;
#pragma unroll
        for (int g = 0; g < Cell::kGates; ++g) e.gates[g] = 0;
        if (takes(a.lengths, at.row, a.begin + step)) {
            const C dh = carry + from_outputs<S>(a, at, element);
            if (a.dh_told != nullptr) static_cast<C*>(a.dh_told)[element * a.hidden + at.unit] = dh;
            carry = dh;
            if (!stayed<S>(a, at, element)) {
                load_saved<Cell, S>(e.saved, a, at, element);
                e.a = dh * to_compute(static_cast<const S*>(a.before)[element * a.hidden + at.unit]);
                e.b = dh;
                Cell::backward(e);
                carry = Cell::decay(e.saved) * dh;
            }
        }
#pragma unroll
        for (int g = 0; g < Cell::kGates; ++g)
            static_cast<S*>(a.dgates_x)[(element * Cell::kGates + g) * a.hidden + at.unit] = to_storage<S>(e.gates[g]);
    }
    if (threadIdx.y == kScanSegments - 1) static_cast<C*>(a.dstate)[own] = carry;
}

template <class Cell, class S>
void launch_scan(const ScanBackwardOf& scan, cudaStream_t stream) {
    device::launch({.kernel = "scan_backward",
                    .grid = scan_blocks(scan.batch, scan.hidden),
                    .block = dim3(kScanUnits, kScanSegments),
                    .stream = stream},
                   scan_backward_kernel<Cell, S>, scan);
}

void scan_backward(std::string_view cell, DType storage, const ScanBackwardOf& scan, cudaStream_t stream) {
    with_scanned_cell(
        cell, [&]<class Cell>() { with_storage(storage, [&]<class S>() { launch_scan<Cell, S>(scan, stream); }); });
}

}  // namespace rondo::kernels
