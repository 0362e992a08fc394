#pragma once
/// One stack on a device with all its memory: guarded, poisoned with NaN wherever nobody has written.
#include <list>

#include "support/guarded.hpp"
#include "support/problem.hpp"

namespace rondo::test {

/// What a plan is asked for that makes no difference to results: see Extent.
struct Orders {
    DirectionOrder directions = DirectionOrder::automatic;
    LayerOrder layers = LayerOrder::automatic;
    TimeLoop loop = TimeLoop::automatic;
    bool observe = false;
};

/// Runs a Problem. The arguments are open, so that a test can take away or exchange what it likes before a call.
class RnnHarness {
public:
    RnnHarness(Device device, const Problem& problem, Mode mode = Mode::training, const Orders& orders = {});

    ForwardToken run_forward();
    void run_backward(const ForwardToken& token);

    /// Both (the forward alone in inference), with the guards checked: throws Error where one was overwritten.
    Result run();

    /// Everything that came out, in double. Gradients are empty in inference.
    Result result() const;
    /// The same as it stands in memory, one output after the other, and the gradients after them.
    std::vector<std::byte> bits() const;

    void poison_outputs();
    void check_guards() const;

    const Problem& problem() const { return problem_; }

private:
    Guarded& add(DType dtype, std::int64_t size, Alignment alignment);
    Guarded& add(const Tensor& values, DType dtype);

    Device device_;
    Problem problem_;
    std::list<Guarded> memory_;

public:
    Rnn rnn;
    Plan plan;
    ForwardArgs forward_args;
    BackwardArgs backward_args;
    std::vector<ConstView> states, dfinal_states, dstate_steps;  ///< what the arguments' lists point at
    std::vector<View> final_states, state_steps, dstates;

    Guarded *parameters, *prepared, *x, *y, *dy, *dx, *dparameters, *reserve, *workspace, *lengths;
    Guarded* observations = nullptr;  ///< where they are asked for
    std::vector<Guarded*> state_memory, final_memory, step_memory, dfinal_memory, dstep_memory, dstate_memory;
};

/// The parameter array of a plan, from the problem's named tensors; NaN between them.
Tensor lay_out_parameters(const Plan& plan, const Problem& problem);

/// Gets each layer's masks from the device: what it makes of ones.
void take_masks(Device device, Problem& problem);

/// Forward and backward on a device.
Result run_on(Device device, const Problem& problem);

}  // namespace rondo::test
