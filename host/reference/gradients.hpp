#pragma once
/// The oracle's gradients, and its doors that are no templates.
#include "reference/oracle.hpp"

namespace rondo::reference {

/// The gradients of a loss by the stack's outputs. Empty vectors are zero; nothing is read past a row's length.
template <class Real>
struct Upstream {
    std::vector<Real> y;                          ///< [T,B,O]
    std::vector<std::vector<Real>> final_states;  ///< [B, width]
    std::vector<std::vector<Real>> state_steps;   ///< [T,B, width]
};

/// Everything a training step of the stack can be asked for.
template <class Real>
struct Result {
    Outputs<Real> outputs;
    std::map<std::string, std::vector<Real>> dparameters;
    std::vector<Real> dx;                    ///< [T,B,I]
    std::vector<std::vector<Real>> dstates;  ///< [B, width]: of the initial states
    std::vector<std::vector<Real>>
        dstate_steps{};  ///< [T,B, width]: of the states after every step, by all that depends
                         ///< on them; past a row's length that of its last step
};

/// Forward, in float or double.
template <class Real>
Outputs<Real> forward(const StackSpec& spec, std::int64_t steps, std::int64_t batch, const Inputs<Real>& in);

/// Forward, and every gradient by reverse mode, in float or double. Dropout masks are constants.
template <class Real>
Result<Real> gradients(const StackSpec& spec, std::int64_t steps, std::int64_t batch, const Inputs<Real>& in,
                       const Upstream<Real>& upstream);

}  // namespace rondo::reference
