#pragma once
/// How a block cuts time: kUnits neighbouring units of one row, and as many segments of the steps. x → a·x + b is the map
/// of a step, and the map of a segment is that of its steps one after the other:
///
///     1. every thread composes the maps of its segment;
///     2. and, in shared memory, those of all segments before it: what its segment begins with;
///     3. and goes through its segment once more, now with that.
#include "elements.cuh"
#include "rondo/cell/registry.hpp"

namespace rondo::kernels {

inline constexpr int kScanUnits = 32, kScanSegments = 8;
/// A launch bound: as many registers as a thread may have, or what is kept through the calls of divisions in double spills.
inline constexpr int kScanBlocks = 1;

/// x → a·x + b
template <class C>
struct Linear {
    C a = 1, b = 0;
    RONDO_DEVICE C operator()(C x) const { return math::fma(a, x, b); }
    /// First the one before, then this.
    RONDO_DEVICE Linear after(const Linear& before) const { return {a * before.a, (*this)(before.b)}; }
};

/// A thread's part of a scan over n steps, in the order in which they are taken.
struct Segment {
    std::int64_t row, unit, first, last;
    bool idle;  ///< its unit is none; it takes part in barriers alone

    RONDO_DEVICE Segment(std::int64_t hidden, std::int64_t n) {
        const std::int64_t strips = (hidden + kScanUnits - 1) / kScanUnits;
        const Place at = place_of(static_cast<std::int64_t>(blockIdx.x), strips);
        const std::int64_t each = (n + kScanSegments - 1) / kScanSegments, begin = threadIdx.y * each;
        row = at.row;
        unit = at.column * kScanUnits + threadIdx.x;
        first = begin < n ? begin : n;
        last = begin + each < n ? begin + each : n;
        idle = unit >= hidden;
    }
};

/// What all segments before this thread's make of x; `mine` is the map of its own. Every thread of the block comes here.
template <class C>
RONDO_DEVICE C before_segment(const Linear<C>& mine, C x) {
    RONDO_SHARED(C, a, [kScanSegments][kScanUnits]);
    RONDO_SHARED(C, b, [kScanSegments][kScanUnits]);
    a[threadIdx.y][threadIdx.x] = mine.a;
    b[threadIdx.y][threadIdx.x] = mine.b;
    __syncthreads();
    for (unsigned s = 0; s < threadIdx.y; ++s) x = math::fma(a[s][threadIdx.x], x, b[s][threadIdx.x]);
    return x;
}

/// One block for every kScanUnits units of a row.
inline dim3 scan_blocks(std::int64_t batch, std::int64_t hidden) {
    return device::blocks_for(batch * device::ceil_div(hidden, kScanUnits), 1);
}

/// run.operator()<Cell>() for a cell whose steps are a scan.
template <class Run>
void with_scanned_cell(std::string_view cell, const Run& run) {
    visit_cell(cell, {}, [&]<class Cell>() {
        if constexpr (kScanned<Cell>)
            run.template operator()<Cell>();
        else
            refuse("cell", cell, "has a recurrent product, its steps are no scan");
    });
}

}  // namespace rondo::kernels
