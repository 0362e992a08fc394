#pragma once
/// All steps of a cell without stages, for one row of the batch and a strip of its units: one after the other, h in
/// registers.
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {

/// Packs of a strip, whose memory is contiguous in every step.
inline constexpr int kStripPacks = 4;

/// body<whole>(pack of the strip, its first unit, valid lanes)
template <class T, class Body>
RONDO_HD void for_strip(std::int64_t hidden, std::int64_t begin, const Body& body) {
    for (int v = 0; v < kStripPacks; ++v) {
        const std::int64_t unit = begin + v * kLanes<T>, left = hidden - unit;
        if (left >= kLanes<T>)
            body.template operator()<true>(v, unit, static_cast<int>(kLanes<T>));
        else if (left > 0)
            body.template operator()<false>(v, unit, static_cast<int>(left));
    }
}

template <class Cell, class T>
struct ScanMap {
    using P = Pack<T>;

    static void forward(const ScanForward& scan, std::int64_t row, std::int64_t strip) {
        const LoopLayer& layer = *scan.layer;
        const std::int64_t H = layer.hidden, B = layer.batch;
        const T* const gates = static_cast<const T*>(scan.gates_x);
        T *const next = static_cast<T*>(scan.next), *const saved = static_cast<T*>(scan.saved);
        P h[kStripPacks];
        for_strip<T>(H, strip, [&]<bool kWhole>(int v, std::int64_t unit, int n) {
            h[v] = load<kWhole>(static_cast<const T*>(scan.h) + row * H + unit, n);
        });
        for (std::int64_t i = 0; i < scan.end - scan.begin; ++i) {
            const std::int64_t at = scan.reverse ? scan.end - scan.begin - 1 - i : i, step = at * B + row;
            const bool active = takes(layer, row, scan.begin + at);
            const Output<T> y{scan.y ? static_cast<T*>(scan.y) + at * B * scan.y_stride : nullptr, scan.y_stride,
                              static_cast<T>(scan.y_scale), scan.y_add};
            for_strip<T>(H, strip, [&]<bool kWhole>(int v, std::int64_t unit, int n) {
                ScanElement<Cell, P> e;
                RONDO_UNROLL
                for (int p = 0; p < Cell::kSaved; ++p) e.saved[p] = T(0);
                if (active) {
                    RONDO_UNROLL
                    for (int g = 0; g < Cell::kGates; ++g)
                        e.gates[g] = load<kWhole>(gates + (step * Cell::kGates + g) * H + unit, n);
                    Cell::forward(e);
                    h[v] = zoned<T, kWhole>(scan.zoneout, h[v], fma(e.a, h[v], e.b), step * H + unit, n);
                    y.template put<kWhole>(h[v], row, unit, n);
                } else {
                    y.template put_idle<kWhole>(row, unit, n);
                }
                store<kWhole>(h[v], next + step * H + unit, n);
                if (!saved) return;
                RONDO_UNROLL
                for (int p = 0; p < Cell::kSaved; ++p)
                    store<kWhole>(e.saved[p], saved + (step * Cell::kSaved + p) * H + unit, n);
            });
        }
    }

    static void backward(const ScanBackward& scan, std::int64_t row, std::int64_t strip) {
        const LoopLayer& layer = *scan.layer;
        const std::int64_t H = layer.hidden, B = layer.batch;
        const T *const before = static_cast<const T*>(scan.before), *const saved = static_cast<const T*>(scan.saved);
        const T *const mask = static_cast<const T*>(scan.zoneout), *const dstep = static_cast<const T*>(scan.dstep);
        T *const dgates = static_cast<T*>(scan.dgates_x), *const dstate = static_cast<T*>(scan.dstate) + row * H;
        T* const told = static_cast<T*>(scan.dh_told);
        P carry[kStripPacks];
        for_strip<T>(H, strip, [&]<bool kWhole>(int v, std::int64_t unit, int n) {
            carry[v] = scan.carry ? load<kWhole>(static_cast<const T*>(scan.carry) + row * H + unit, n) : P(T(0));
        });
        for (std::int64_t i = 0; i < scan.end - scan.begin; ++i) {
            const std::int64_t at = scan.reverse ? i : scan.end - scan.begin - 1 - i, step = at * B + row;
            const bool active = takes(layer, row, scan.begin + at);
            const T* const dy = static_cast<const T*>(scan.dy) + (scan.dy ? step * scan.dy_stride : 0);
            for_strip<T>(H, strip, [&]<bool kWhole>(int v, std::int64_t unit, int n) {
                const std::int64_t element = step * H + unit;
                ScanElement<Cell, P> e;
                RONDO_UNROLL
                for (int g = 0; g < Cell::kGates; ++g) e.gates[g] = T(0);
                if (active) {
                    P dh = carry[v];
                    if (dy) dh = dh + load<kWhole>(dy + unit, n) * P(static_cast<T>(scan.dy_scale));
                    if (dstep) dh = dh + load<kWhole>(dstep + element, n);
                    if (told) store<kWhole>(dh, told + element, n);
                    RONDO_UNROLL
                    for (int p = 0; p < Cell::kSaved; ++p)
                        e.saved[p] = load<kWhole>(saved + (step * Cell::kSaved + p) * H + unit, n);
                    P made = dh, stayed = T(0);
                    if (mask) {
                        const auto stays = load<kWhole>(mask + element, n) == P(T(0));
                        stayed = select(stays, dh, P(T(0)));
                        made = select(stays, P(T(0)), dh);
                    }
                    e.a = made * load<kWhole>(before + element, n);
                    e.b = made;
                    Cell::backward(e);
                    carry[v] = fma(Cell::decay(e.saved), made, stayed);
                }
                RONDO_UNROLL
                for (int g = 0; g < Cell::kGates; ++g)
                    store<kWhole>(e.gates[g], dgates + (step * Cell::kGates + g) * H + unit, n);
            });
        }
        for_strip<T>(H, strip,
                     [&]<bool kWhole>(int v, std::int64_t unit, int n) { store<kWhole>(carry[v], dstate + unit, n); });
    }
};

}  // namespace rondo::cpu::RONDO_ISA
