#pragma once
/// A row as Rondo's CPU backend computes it, through the low-level door.
#include "cpu/row.hpp"
#include "rondo/rnn.hpp"

namespace rondo::bench {

class RondoStack {
public:
    explicit RondoStack(const CpuRow& row);

    /// A forward; in training with the weights repacked before it, as after an update, and the backward after it.
    void run();

    const Plan& plan() const { return plan_; }
    const float* parameters() const { return parameters_.get(); }
    const float* dparameters() const { return dparameters_.get(); }
    const float* x() const { return x_.get(); }
    const float* y() const { return y_.get(); }
    const float* dx() const { return dx_.get(); }
    const float* dy() const { return dy_.get(); }

private:
    Rnn rnn_;
    Plan plan_;
    Memory parameters_, dparameters_, prepared_, reserve_, workspace_, x_, y_, dx_, dy_;
    ForwardArgs forward_;
    BackwardArgs backward_;
};

}  // namespace rondo::bench
