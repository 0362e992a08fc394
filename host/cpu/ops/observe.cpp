/// What a range of backward's steps shows: sums of squares of dh, and gates near the ends of their range.
#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {
namespace {

struct Squares {
    double whole = 0, through_time = 0;
};

/// Of one row [n], in double, in lanes that are added up in order.
template <class T>
Squares squares_of_row(const T* dh, const T* dy, T dy_scale, const T* dstep, std::int64_t n) {
    constexpr std::int64_t kLanes = 8;
    double whole[kLanes] = {}, through_time[kLanes] = {};
    const auto take = [&](std::int64_t i, std::int64_t lane) {
        T rest = dh[i];
        if (dy) rest -= dy[i] * dy_scale;
        if (dstep) rest -= dstep[i];
        whole[lane] += static_cast<double>(dh[i]) * static_cast<double>(dh[i]);
        through_time[lane] += static_cast<double>(rest) * static_cast<double>(rest);
    };
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (std::int64_t lane = 0; lane < kLanes; ++lane) take(i + lane, lane);
    for (std::int64_t lane = 0; i + lane < n; ++lane) take(i + lane, lane);
    Squares sum;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        sum.whole += whole[lane];
        sum.through_time += through_time[lane];
    }
    return sum;
}

struct Ends {
    std::int64_t low = 0, high = 0;
};

/// Thresholds in T divide its values as those in double do.
template <class T>
Ends ends_of_row(GateValue::Kind kind, const T* x, std::int64_t n) {
    constexpr T kShut = T(kGateShut), kOpen = T(kGateOpen);
    int low = 0, high = 0;
    switch (kind) {
        case GateValue::Kind::sigmoid:
            for (std::int64_t i = 0; i < n; ++i) {
                const T a = x[i] < 0 ? -x[i] : x[i];
                low += a < kShut;
                high += a > kOpen;
            }
            break;
        case GateValue::Kind::shut:
            for (std::int64_t i = 0; i < n; ++i) {
                low += x[i] > kOpen;
                high += x[i] < kShut;
            }
            break;
        case GateValue::Kind::tanh:
            for (std::int64_t i = 0; i < n; ++i) {
                low += x[i] < -kOpen;
                high += x[i] > kOpen;
            }
            break;
        case GateValue::Kind::relu:
            for (std::int64_t i = 0; i < n; ++i) low += x[i] == 0;
            break;
        case GateValue::Kind::none:
            break;
    }
    return {low, high};
}

/// A step's row of numbers.
template <class T>
void observe_step(const Observation& seen, std::int64_t t) {
    double* const out = seen.out + t * seen.columns();
    const auto* dh = static_cast<const T*>(seen.dh);
    const auto* dy = static_cast<const T*>(seen.dy);
    const auto* dstep = static_cast<const T*>(seen.dstep);
    Squares sum;
    std::int64_t rows = 0;
    Ends ends[kMaxGates];
    for (std::int64_t b = 0; b < seen.batch; ++b) {
        if (seen.lengths && seen.begin + t >= seen.lengths[b]) continue;
        const std::int64_t row = t * seen.batch + b;
        const Squares of =
            squares_of_row(dh + row * seen.width, dy ? dy + row * seen.dy_stride : nullptr,
                           static_cast<T>(seen.dy_scale), dstep ? dstep + row * seen.width : nullptr, seen.width);
        sum.whole += of.whole;
        sum.through_time += of.through_time;
        ++rows;
        for (int g = 0; g < seen.gate_count; ++g) {
            const ObservedGate& gate = seen.gates[g];
            const Ends at = ends_of_row(gate.kind, static_cast<const T*>(gate.values) + row * gate.stride, seen.hidden);
            ends[g].low += at.low;
            ends[g].high += at.high;
        }
    }
    out[ObservationInfo::kWhole] = sum.whole;
    out[ObservationInfo::kThroughTime] = sum.through_time;
    out[ObservationInfo::kRows] = static_cast<double>(rows);
    for (int g = 0; g < seen.gate_count; ++g) {
        out[ObservationInfo::kFirstGate + 2 * g] = static_cast<double>(ends[g].low);
        out[ObservationInfo::kFirstGate + 2 * g + 1] = static_cast<double>(ends[g].high);
    }
}

}  // namespace

void CpuBackend::observe(const Observation& seen, Stream) {
    cpu::with_type(seen.storage, [&]<class T>() {
        const std::int64_t work = seen.batch * (2 * seen.width + seen.gate_count * seen.hidden);
        pool_.parallel_for(seen.steps, 1 + cpu::kGrain / (work + 1), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t t = begin; t < end; ++t) observe_step<T>(seen, t);
        });
    });
}

}  // namespace rondo
