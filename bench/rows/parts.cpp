#include "rows/parts.hpp"

#include <algorithm>
#include <array>

namespace rondo::bench {
namespace {

constexpr std::array<Part, 5> kParts{{{"input product", false, Operation::Kind::input_product},
                                      {"forward steps", false, Operation::Kind::time_loop},
                                      {"backward steps", true, Operation::Kind::time_loop},
                                      {"weight products", true, Operation::Kind::weight_product},
                                      {"input gradient", true, Operation::Kind::input_gradient}}};

const std::vector<Operation>& list_of(const Plan& plan, bool backward) {
    return backward ? plan.backward : plan.forward;
}

/// Of the range of steps of an operation.
Work work_of(const Plan& plan, const Operation& op) {
    const LayerProgram& layer = plan.program->layers[static_cast<std::size_t>(op.layer)];
    const ElementBytes bytes(plan.spec.precision);
    const bool training = plan.extent.mode == Mode::training;
    const auto elements = static_cast<double>((op.end - op.begin) * plan.extent.batch);  // of one unit
    const auto count = [](std::int64_t n) { return static_cast<double>(n); };
    const double gates = count(layer.cell.gates * layer.spec.hidden), hidden = count(layer.spec.hidden);
    const double width = count(layer.spec.width()), input = count(layer.input);
    const double storage = count(bytes.storage), accumulate = count(bytes.gates), state = count(bytes.state);
    const double projection = layer.spec.projection > 0 ? width * hidden : 0;
    const double gradients = layer.cell.shared_gate_gradients ? 1 : 2;  // dgates_x, dgates_h
    const double states = count(layer.cell.states - 1) * hidden * state;
    const double saved = count(layer.cell.saved) * hidden * storage;
    const double recurrent = 2 * elements * (gates * width + projection);
    const double matrices = (gates * width + projection) * storage;
    switch (op.kind) {
        case Operation::Kind::input_product:
            return {2 * elements * gates * input,
                    elements * (input * storage + gates * accumulate) + gates * input * storage};
        case Operation::Kind::time_loop:
            return {recurrent, matrices + elements * (gates * accumulate + width * storage +
                                                      (training ? saved + states + width * storage : 0))};
        case Operation::Kind::weight_product:
            return {2 * elements * gates * input + recurrent, elements * (gradients * gates + input + width) * storage +
                                                                  (gates * (input + width) + projection) * accumulate};
        case Operation::Kind::input_gradient:
            return {2 * elements * gates * input, elements * (gates + input) * storage + gates * input * storage};
        default:
            return {};
    }
}

/// The same loop backward: it reads what forward saved, and writes the gradients of the gates.
Work backward_steps(const Plan& plan, const Operation& op) {
    const LayerProgram& layer = plan.program->layers[static_cast<std::size_t>(op.layer)];
    const ElementBytes bytes(plan.spec.precision);
    Work work = work_of(plan, op);
    const auto elements = static_cast<double>((op.end - op.begin) * plan.extent.batch);
    const auto gates = static_cast<double>(layer.cell.gates * layer.spec.hidden);
    const double gradients = layer.cell.shared_gate_gradients ? 1 : 2;
    work.bytes +=
        elements * gates * (gradients * static_cast<double>(bytes.storage) - static_cast<double>(bytes.gates));
    return work;
}

}  // namespace

std::vector<Part> parts_of(const Plan& plan) {
    std::vector<Part> made;
    for (const Part& part : kParts) {
        const std::vector<Operation>& list = list_of(plan, part.backward);
        if (plan.extent.mode != Mode::training && part.backward) continue;
        if (std::any_of(list.begin(), list.end(), [&](const Operation& op) { return op.kind == part.kind; }))
            made.push_back(part);
    }
    return made;
}

Plan only(const Plan& plan, const Part& part) {
    Plan made = plan;
    made.forward.clear();
    made.backward.clear();
    for (Operation op : list_of(plan, part.backward)) {
        if (op.kind != part.kind) continue;
        op.after.clear();
        op.stream = 0;
        (part.backward ? made.backward : made.forward).push_back(op);
    }
    return made;
}

Work work_of(const Plan& plan, const Part& part) {
    Work all;
    for (const Operation& op : list_of(plan, part.backward)) {
        if (op.kind != part.kind) continue;
        const bool loop_back = part.backward && op.kind == Operation::Kind::time_loop;
        const Work one = loop_back ? backward_steps(plan, op) : work_of(plan, op);
        all.flops += one.flops;
        all.bytes += one.bytes;
    }
    return all;
}

Peaks peaks_of(std::string_view capability, int multiprocessors, double clock_hz, double bytes_per_second,
               std::string_view dtype) {
    struct Rates {
        std::string_view capability;
        double f16, tf32, f32, f64;  // multiply-adds a cycle and multiprocessor, dense
    };
    constexpr std::array<Rates, 3> kRates{
        {{"8.0", 1024, 512, 64, 64}, {"8.9", 512, 256, 128, 2}, {"9.0", 2048, 1024, 128, 128}}};
    Peaks peaks;
    if (bytes_per_second > 0) peaks.bytes_per_second = bytes_per_second;
    const auto* rates =
        std::find_if(kRates.begin(), kRates.end(), [&](const Rates& known) { return known.capability == capability; });
    if (rates == kRates.end() || clock_hz <= 0) return peaks;
    const double rate = dtype == "bf16" || dtype == "f16" ? rates->f16
                        : dtype == "tf32"                 ? rates->tf32
                        : dtype == "f32"                  ? rates->f32
                                                          : rates->f64;
    peaks.flops = 2 * rate * multiprocessors * clock_hz;
    return peaks;
}

std::optional<double> bound_us(const Work& work, const Peaks& peaks) {
    if (!peaks.flops || !peaks.bytes_per_second) return std::nullopt;
    return 1e6 * std::max(work.flops / *peaks.flops, work.bytes / *peaks.bytes_per_second);
}

}  // namespace rondo::bench
