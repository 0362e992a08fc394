#pragma once
/// What one (b, h) element of a cell reads and writes in one step. `T` is a scalar, or a pack of neighbouring h.
///
/// A step of a cell is a list of stages; a stage is a recurrent product followed by an element-wise map:
///
///     stage k:  gates_h[first..first+count) = operand_k · W_hh[those rows]ᵀ + b_hh     (operand_0 is the state h)
///               map k, on every element
///
/// Most cells have one stage. A later stage multiplies a plane that an earlier map saved (reset-before GRU: r·h).
/// Maps of one step run in order forward, in reverse order backward, with the products' transposes in between.
///
/// A cell without stages has no product either: its one state is linear in itself, h' = a∘h + b, where a and b follow
/// from the step's input alone. All its steps are taken at once, by a scan over time.
#include "rondo/cell/math.hpp"

namespace rondo {

/// One stage's product: which gates it makes, and of what.
struct Stage {
    int first_gate;  ///< its gates are [first_gate, first_gate + gates)
    int gates;
    int operand_plane;  ///< the saved plane that is multiplied, or kOperandState
};
inline constexpr int kOperandState = -1;

/// Where a gate's activated value stands after a step, for who wants to see how far it is open: Cell::kGateValues, one a
/// gate. A cell without such a table shows none.
struct GateValue {
    enum class Kind {
        none,  ///< it has no bounds that it could saturate at
        sigmoid,
        shut,  ///< 1 - sigmoid, which some cells save in its place
        tanh,
        relu,
    };
    Kind kind = Kind::none;
    int plane = kOperandState;  ///< a saved plane (where the sign of a sigmoid does not count), or h after the step
};

/// Which options a cell understands; a layer that asks for another is refused.
struct CellOptions {
    bool peepholes = false;
    bool coupled = false;
    bool reset_before = false;
    friend constexpr bool operator==(const CellOptions&, const CellOptions&) = default;
};

namespace detail {
constexpr int at_least_one(int n) { return n > 0 ? n : 1; }
}  // namespace detail

template <class Cell, class T>
struct ForwardElement {
    T gates_x[Cell::kGates];                          ///< in: x·W_ihᵀ + b_ih
    T gates_h[Cell::kGates];                          ///< in: the gates of this stage (others are unset)
    T state[Cell::kStates];                           ///< in: states before the step
    T vectors[detail::at_least_one(Cell::kVectors)];  ///< in: per-unit parameters (peepholes)
    T clip;                                           ///< in: cell clip, infinity for none
    T saved[detail::at_least_one(Cell::kSaved)];      ///< in, out: planes kept for backward and later stages
    T next[Cell::kStates];                            ///< out of the last stage: states after the step
};

template <class Cell, class T>
struct BackwardElement {
    T state[Cell::kStates];                            ///< in: states before the step
    T next[Cell::kStates];                             ///< in: states after the step
    T saved[detail::at_least_one(Cell::kSaved)];       ///< in
    T vectors[detail::at_least_one(Cell::kVectors)];   ///< in
    T clip;                                            ///< in
    T dnext[Cell::kStates];                            ///< in (last stage): gradient of the states after the step
    T doperand;                                        ///< in (earlier stages): gradient of the next stage's operand
    T dstate[Cell::kStates];                           ///< out; in, out for earlier stages: the element-wise part of
                                                       ///< the gradient of the states before the step. What flows
                                                       ///< through stage 0's product is added by the time loop.
    T dgates_x[Cell::kGates];                          ///< out: the gates this stage finishes (in for earlier stages)
    T dgates_h[Cell::kGates];                          ///< out, where it differs from dgates_x
    T dvectors[detail::at_least_one(Cell::kVectors)];  ///< out: this element's share
};

/// One step of a cell without stages. forward(e) makes a, b and saved of the gates; backward(e) makes dgates of da, db and
/// saved; decay(saved) is a once more.
template <class Cell, class T>
struct ScanElement {
    T gates[Cell::kGates];  ///< forward: in, x·W_ihᵀ + b_ih; backward: out, their gradients
    T a, b;                 ///< forward: out; backward: in, their gradients
    T saved[Cell::kSaved];  ///< forward: out; backward: in
};

/// Whether a cell's maps take a whole row of the batch at a time, forward(row) and backward(row), because they need sums
/// over its units; `row` has
///
///     units                                              H
///     each(f), sum(f)                                    f(u) for every unit u, or pack of them; Σ f(u)
///     gates_x(g,u), gates_h(g,u), state(s,u)             forward: in
///     put_saved(p,u,v), put_next(s,u,v)                  forward: out; p of kSaved
///     saved(p,u), state(s,u), next(s,u), dnext(s,u)      backward: in
///     put_dgates_x(g,u,v), put_dgates_h(g,u,v)           backward: out
///     put_dstate(s,u,v), add_dvector(v,u,d)              backward: out; dnext(s,u) is not to be read after put_dstate
///     vector(v,u)                                        in: v of kVectors; they begin as kGains ones, then zeros
///     scratch(k,u), put_scratch(k,u,v)                   k of kScratch
///
/// Such a cell has no biases but those among its vectors.
template <class Cell>
inline constexpr bool kRowWise = requires {
    Cell::kRowWise;
};

/// Whether a cell's steps are taken by a scan.
template <class Cell>
inline constexpr bool kScanned = Cell::kStages.empty();

}  // namespace rondo
