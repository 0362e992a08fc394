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
#include "rondo/cell/math.hpp"

namespace rondo {

/// One stage's product: which gates it makes, and of what.
struct Stage {
    int first_gate;  ///< its gates are [first_gate, first_gate + gates)
    int gates;
    int operand_plane;  ///< the saved plane that is multiplied, or kOperandState
};
inline constexpr int kOperandState = -1;

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

}  // namespace rondo
