#pragma once
/// A row as Rondo computes it, on any device: the GPU's side of the comparison, and the reference in double on the CPU.
#include "gpu/problem.hpp"
#include "model/device_buffer.hpp"
#include "rows/result_file.hpp"

namespace rondo::bench {

class RondoSide {
public:
    /// Puts the problem on the device. `precision`: of the row, or f64 for a reference.
    RondoSide(Device device, Stream stream, const Problem& problem, Precision precision);

    /// A forward; in training with the weights repacked before it, and the backward after it.
    void run();

    /// One part of it, over what the last run() left behind.
    void run(const Plan& part);

    const Plan& plan() const { return plan_; }
    const std::string& algorithm() const;  ///< of the first layer's time loop
    MemoryUse memory() const;
    std::vector<double> y() const { return values(y_, forward_.y.dtype); }
    std::vector<double> dx() const { return values(dx_, backward_.dx.dtype); }
    std::vector<double> dparameters() const { return values(dparameters_, plan_.spec.precision.accumulate); }
    /// Of x and dy, which the other side reads as well.
    std::size_t shared_bytes() const { return static_cast<std::size_t>(x_.bytes() + dy_.bytes()); }
    /// State 0 is h, 1 is c: all layers and directions in order. Empty where none are carried.
    std::vector<double> final_state(int state) const { return values_of(final_, state); }
    std::vector<double> dinitial_state(int state) const { return values_of(dinitial_, state); }
    const void* device_x() const { return x_.data(); }
    const void* device_dy() const { return dy_.data(); }

private:
    using States = std::vector<model::DeviceBuffer>;  ///< in the order of Plan::states

    void carry_states(const Problem& problem);
    DType state_type(int state) const;
    std::vector<double> values_of(const States& states, int state) const;
    model::DeviceBuffer put(const void* data, std::size_t bytes);
    model::DeviceBuffer put(const std::vector<std::byte>& data) { return put(data.data(), data.size()); }
    std::vector<double> values(const model::DeviceBuffer& buffer, DType type) const;

    Device device_;
    Stream stream_;
    Rnn rnn_;
    Plan plan_;
    model::DeviceBuffer parameters_, dparameters_, prepared_, reserve_, workspace_, x_, y_, dx_, dy_, lengths_;
    States initial_, final_, dfinal_, dinitial_;
    std::vector<ConstView> initial_views_, dfinal_views_;
    std::vector<View> final_views_, dinitial_views_;
    ForwardArgs forward_;
    BackwardArgs backward_;
};

}  // namespace rondo::bench
