#pragma once
/// The maps of a cell that needs whole rows (cell/layer_norm.hpp): one row after the other, its units in packs. The products
/// have been made: scratch holds gates_h [B,G,H] or dh [B,H], and behind it what the maps themselves keep, [B,K,H].
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {

/// Units of a row that are one pack: all of its lanes, or the first n.
template <bool kWhole>
struct Units {
    static constexpr bool kAll = kWhole;
    std::int64_t first;
    int n;
};

template <class Cell, class T>
class CellRow {
public:
    using Value = Pack<T>;
    using Real = T;
    const std::int64_t units;

    template <class Body>
    RONDO_HD void each(const Body& body) const {
        std::int64_t unit = 0;
        for (; unit + kLanes<T> <= units; unit += kLanes<T>) body(Units<true>{unit, static_cast<int>(kLanes<T>)});
        if (unit < units) body(Units<false>{unit, static_cast<int>(units - unit)});
    }
    /// In a fixed order: lane by lane over the packs, then the lanes.
    template <class Term>
    RONDO_HD T sum(const Term& term) const {
        Value sums = T(0);
        each([&](auto u) {
            if constexpr (decltype(u)::kAll) {
                sums = sums + term(u);
            } else {
                alignas(64) T valid[kLanes<T>];
                for (int i = 0; i < kLanes<T>; ++i) valid[i] = i < u.n ? T(1) : T(0);
                sums = sums + select(Value::load(valid) > Value(T(0)), term(u), Value(T(0)));
            }
        });
        alignas(64) T lanes[kLanes<T>];
        sums.store(lanes);
        T total = 0;
        for (T lane : lanes) total += lane;
        return total;
    }

    template <class U>
    RONDO_HD Value vector(int v, U u) const {
        return load<U::kAll>(static_cast<const T*>(layer.vectors) + v * units + u.first, u.n);
    }
    template <class U>
    RONDO_HD Value scratch(int k, U u) const {
        return load<U::kAll>(own + k * units + u.first, u.n);
    }
    template <class U>
    RONDO_HD void put_scratch(int k, U u, Value v) {
        store<U::kAll>(v, own + k * units + u.first, u.n);
    }

protected:
    RONDO_HD CellRow(const LoopLayer& l, std::int64_t r, int planes)
        : units(l.hidden),
          layer(l),
          row(r),
          product(static_cast<T*>(l.scratch) + r * planes * units),
          own(static_cast<T*>(l.scratch) + l.batch * planes * units + r * Cell::kScratch * units) {}

    template <class U>
    RONDO_HD Value plane(const void* values, int planes, int p, U u) const {
        return load<U::kAll>(static_cast<const T*>(values) + (row * planes + p) * units + u.first, u.n);
    }
    template <class U>
    RONDO_HD void put_plane(void* values, int planes, int p, U u, Value v) const {
        store<U::kAll>(v, static_cast<T*>(values) + (row * planes + p) * units + u.first, u.n);
    }

    const LoopLayer& layer;
    const std::int64_t row;
    T *const product, *const own;
};

template <class Cell, class T>
class ForwardRow : public CellRow<Cell, T> {
    using Base = CellRow<Cell, T>;

public:
    using Value = typename Base::Value;
    RONDO_HD ForwardRow(const StepForward& s, std::int64_t r) : Base(*s.layer, r, Cell::kGates), step(s) {}

    static void run(const StepForward& step, const Tile& rows) {
        for (std::int64_t row = rows.row_begin; row < rows.row_end; ++row) {
            ForwardRow map(step, row);
            if (takes(*step.layer, row, step.t))
                Cell::forward(map);
            else
                map.idle();
        }
    }

    template <class U>
    RONDO_HD Value gates_x(int g, U u) const {
        return this->plane(step.gates_x, Cell::kGates, g, u);
    }
    template <class U>
    RONDO_HD Value gates_h(int g, U u) const {
        return load<U::kAll>(this->product + g * this->units + u.first, u.n);
    }
    template <class U>
    RONDO_HD Value state(int s, U u) const {
        return this->plane(step.state[s], 1, 0, u);
    }
    template <class U>
    RONDO_HD void put_saved(int p, U u, Value v) {
        if (step.saved) this->put_plane(step.saved, Cell::kSaved, p, u, v);
    }
    template <class U>
    RONDO_HD void put_next(int s, U u, Value v) {
        const std::int64_t at = this->row * this->units + u.first;
        v = zoned<T, U::kAll>(step.zoneout[s], state(s, u), v, at, u.n);
        this->put_plane(step.next[s], 1, 0, u, v);
        if (s > 0) return;
        feed_back<T, U::kAll>(this->layer, step.fed_back, v, at, u.n);
        output().template put<U::kAll>(v, this->row, u.first, u.n);
    }

private:
    RONDO_HD Output<T> output() const {
        return {static_cast<T*>(step.y), step.y_stride, static_cast<T>(step.y_scale), step.y_add};
    }
    /// Past its length.
    void idle() {
        this->each([&](auto u) {
            constexpr bool kAll = decltype(u)::kAll;
            for (int p = 0; p < Cell::kSaved; ++p) put_saved(p, u, T(0));
            for (int s = 0; s < Cell::kStates; ++s) this->put_plane(step.next[s], 1, 0, u, state(s, u));
            feed_back<T, kAll>(this->layer, step.fed_back, state(0, u), this->row * this->units + u.first, u.n);
            output().template put_idle<kAll>(this->row, u.first, u.n);
        });
    }

    const StepForward& step;
};

template <class Cell, class T>
class BackwardRow : public CellRow<Cell, T> {
    using Base = CellRow<Cell, T>;

public:
    using Value = typename Base::Value;
    RONDO_HD BackwardRow(const StepBackward& s, std::int64_t r) : Base(*s.layer, r, 1), step(s) {}

    static void run(const StepBackward& step, const Tile& rows) {
        for (std::int64_t row = rows.row_begin; row < rows.row_end; ++row) {
            BackwardRow map(step, row);
            if (takes(*step.layer, row, step.t))
                Cell::backward(map);
            else
                map.idle();
        }
    }

    template <class U>
    RONDO_HD Value saved(int p, U u) const {
        return this->plane(step.saved, Cell::kSaved, p, u);
    }
    template <class U>
    RONDO_HD Value state(int s, U u) const {
        return this->plane(step.state[s], 1, 0, u);
    }
    template <class U>
    RONDO_HD Value next(int s, U u) const {
        return this->plane(step.next[s], 1, 0, u);
    }
    /// Of what the cell made: nothing where zoneout took the old state.
    template <class U>
    RONDO_HD Value dnext(int s, U u) const {
        return step.zoneout[s] ? select(stays(s, u), Value(T(0)), whole(s, u)) : whole(s, u);
    }
    template <class U>
    RONDO_HD void put_dstate(int s, U u, Value v) {
        if (step.zoneout[s]) v = v + select(stays(s, u), whole(s, u), Value(T(0)));
        this->put_plane(step.dstate[s], 1, 0, u, v);
    }
    template <class U>
    RONDO_HD void put_dgates_x(int g, U u, Value v) {
        this->put_plane(step.dgates_x, Cell::kGates, g, u, v);
    }
    template <class U>
    RONDO_HD void put_dgates_h(int g, U u, Value v) {
        this->put_plane(step.dgates_h, Cell::kGates, g, u, v);
    }
    template <class U>
    RONDO_HD void add_dvector(int v, U u, Value d) {
        this->put_plane(step.dvectors, Cell::kVectors, v, u, this->plane(step.dvectors, Cell::kVectors, v, u) + d);
    }

private:
    template <class U>
    RONDO_HD Value whole(int s, U u) const {
        if (s == 0) return load<U::kAll>(this->product + u.first, u.n);
        Value d = step.dnext[s] ? this->plane(step.dnext[s], 1, 0, u) : Value(T(0));
        return step.dstep[s] ? d + this->plane(step.dstep[s], 1, 0, u) : d;
    }
    template <class U>
    RONDO_HD auto stays(int s, U u) const {
        return this->plane(step.zoneout[s], 1, 0, u) == Value(T(0));
    }
    void idle() {
        this->each([&](auto u) {
            for (int g = 0; g < Cell::kGates; ++g) {
                put_dgates_x(g, u, T(0));
                put_dgates_h(g, u, T(0));
            }
            for (int s = 0; s < Cell::kStates; ++s)
                this->put_plane(step.dstate[s], 1, 0, u,
                                s == 0          ? whole(0, u)
                                : step.dnext[s] ? this->plane(step.dnext[s], 1, 0, u)
                                                : Value(T(0)));
        });
    }

    const StepBackward& step;
};

}  // namespace rondo::cpu::RONDO_ISA
