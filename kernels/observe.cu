// One block a step t, over the rows b that take it, kCount neighbouring elements to a thread:
//   out[t,0] = Σ dh²   out[t,1] = Σ (dh - dy_scale·dy - dstep)²   out[t,2] = how many rows
//   out[t,3+2g], out[t,4+2g] = how many values of gate g lie near the lower and the upper end of its range
//   dh, dstep [T,B,W]   dy [T,B,...] and a gate [T,B,...,H] with strides of their rows
//   traffic: C + 2·S bytes an element of dh, S an element of each gate; memory-bound; sums in double and in fixed order
#include "device/warp.cuh"
#include "elements.cuh"
#include "observe.hpp"

namespace rondo::kernels {
namespace {

constexpr int kObserveThreads = 256;

}  // namespace

/// Whether x lies near the lower or the upper end of its range.
struct Ends {
    bool low, high;
};

template <class C>
RONDO_DEVICE Ends ends_of(GateValue::Kind kind, C x, C shut, C open) {
    switch (kind) {
        case GateValue::Kind::sigmoid: {
            const C a = x < C(0) ? -x : x;
            return {a < shut, open < a};
        }
        case GateValue::Kind::shut:
            return {open < x, x < shut};
        case GateValue::Kind::tanh:
            return {x < -open, open < x};
        case GateValue::Kind::relu:
            return {x == C(0), false};
        case GateValue::Kind::none:
            break;
    }
    return {false, false};
}

template <class S, int kCount>
__global__ void __launch_bounds__(kObserveThreads) observe_kernel(const __grid_constant__ Observed seen) {
    using C = Compute<S>;
    const std::int64_t step = blockIdx.x, t = seen.begin + step;
    double* const out = seen.out + step * (3 + 2 * seen.gate_count);

    double whole = 0, through_time = 0;
    for (std::int64_t i = threadIdx.x * kCount; i < seen.batch * seen.width; i += kObserveThreads * kCount) {
        const Place at = place_of(i, seen.width);
        if (!takes(seen.lengths, at.row, t)) continue;
        const std::int64_t row = step * seen.batch + at.row, element = row * seen.width + at.column;
        C dh[kCount], own[kCount];
        if (seen.dh_in_storage)
            load(dh, static_cast<const S*>(seen.dh) + element);
        else
            load(dh, static_cast<const C*>(seen.dh) + element);
        C rest[kCount];
#pragma unroll
        for (int k = 0; k < kCount; ++k) rest[k] = dh[k];
        if (seen.dy != nullptr) {
            load_any(own, static_cast<const S*>(seen.dy) + row * seen.dy_stride + at.column);
#pragma unroll
            for (int k = 0; k < kCount; ++k) rest[k] -= own[k] * static_cast<C>(seen.dy_scale);
        }
        if (seen.dstep != nullptr) {
            load_any(own, static_cast<const S*>(seen.dstep) + element);
#pragma unroll
            for (int k = 0; k < kCount; ++k) rest[k] -= own[k];
        }
#pragma unroll
        for (int k = 0; k < kCount; ++k) {
            whole += static_cast<double>(dh[k]) * static_cast<double>(dh[k]);
            through_time += static_cast<double>(rest[k]) * static_cast<double>(rest[k]);
        }
    }
    whole = device::block_sum<kObserveThreads>(whole);
    through_time = device::block_sum<kObserveThreads>(through_time);

    int rows = 0;
    for (std::int64_t b = threadIdx.x; b < seen.batch; b += kObserveThreads) rows += takes(seen.lengths, b, t) ? 1 : 0;
    rows = device::block_sum<kObserveThreads>(rows);
    if (threadIdx.x == 0) {
        out[0] = whole;
        out[1] = through_time;
        out[2] = rows;
    }

    for (int g = 0; g < seen.gate_count; ++g) {
        const Observed::Gate& gate = seen.gates[g];
        std::int64_t counts = 0;  // of the upper end in the upper half
        for (std::int64_t i = threadIdx.x * kCount; i < seen.batch * seen.hidden; i += kObserveThreads * kCount) {
            const Place at = place_of(i, seen.hidden);
            if (!takes(seen.lengths, at.row, t)) continue;
            C x[kCount];
            load(x, static_cast<const S*>(gate.values) + (step * seen.batch + at.row) * gate.stride + at.column);
#pragma unroll
            for (int k = 0; k < kCount; ++k) {
                const Ends ends = ends_of(gate.kind, x[k], static_cast<C>(seen.shut), static_cast<C>(seen.open));
                counts += (ends.low ? 1 : 0) + (ends.high ? std::int64_t{1} << 32 : 0);
            }
        }
        counts = device::block_sum<kObserveThreads>(counts);
        if (threadIdx.x == 0) {
            out[3 + 2 * g] = static_cast<double>(counts & 0xffffffff);
            out[4 + 2 * g] = static_cast<double>(counts >> 32);
        }
    }
}

void observe(DType storage, const Observed& seen, cudaStream_t stream) {
    with_storage(storage, [&]<class S>() {
        constexpr int kCount = kWide<S>;
        bool wide = seen.width % kCount == 0 && seen.hidden % kCount == 0 &&
                    all_aligned<kCount>(seen.dh_in_storage ? sizeof(S) : sizeof(Compute<S>), seen.dh);
        for (int g = 0; g < seen.gate_count; ++g) wide = wide && all_aligned<kCount>(sizeof(S), seen.gates[g].values);
        device::launch({.kernel = "observe",
                        .grid = device::blocks_for(seen.steps, 1),
                        .block = kObserveThreads,
                        .stream = stream},
                       wide ? observe_kernel<S, kCount> : observe_kernel<S, 1>, seen);
    });
}

}  // namespace rondo::kernels
