#include "gpu/agreement.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rondo::bench {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double unit_roundoff(const std::string& dtype) {
    if (dtype == "bf16") return 0x1p-8;
    if (dtype == "f16" || dtype == "tf32") return 0x1p-11;
    return dtype == "f32" ? 0x1p-24 : 0x1p-53;
}

/// max|out - ref| / max|ref| over the valid steps; NaN where any is.
double error_of(const std::vector<double>& out, const std::vector<double>& ref, const Problem& problem) {
    const auto batch = static_cast<std::size_t>(problem.row.batch);
    const std::size_t width = ref.size() / (batch * static_cast<std::size_t>(problem.row.steps));
    double error = 0, largest = 0;
    for (std::size_t i = 0; i < ref.size(); ++i) {
        const std::size_t row = i / width;
        if (static_cast<std::int64_t>(row / batch) >= problem.lengths[row % batch]) continue;
        const double apart = std::abs(out[i] - ref[i]);
        if (!(apart <= std::numeric_limits<double>::max())) return kNan;
        error = std::max(error, apart);
        largest = std::max(largest, std::abs(ref[i]));
    }
    return error / largest;
}

struct Errors {
    double y = kNan, dx = 0;
    nlohmann::ordered_json json() const { return {{"y", y}, {"dx", dx}}; }
};

template <class Side>
Errors errors_of(Side& side, RondoSide& reference, const Problem& problem) {
    side.run();
    Errors errors{error_of(side.y(), reference.y(), problem)};
    if (problem.row.training) errors.dx = error_of(side.dx(), reference.dx(), problem);
    return errors;
}

}  // namespace

Agreement agreement(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row,
                    const std::vector<cudnnRNNAlgo_t>& algorithms) {
    Row small = row;
    small.steps = std::min<std::int64_t>(row.steps, 6);
    small.batch = std::min<std::int64_t>(row.batch, 8);
    const Problem problem(small);
    RondoSide reference(Device::cpu(), Stream{}, problem, Precision::f64());
    reference.run();

    RondoSide rondo(device, stream, problem, problem.stack.precision);
    const Errors ours = errors_of(rondo, reference, problem);
    Agreement made{{{"steps", small.steps}, {"batch", small.batch}, {"rondo", ours.json()}}, ""};

    // The naive result of the rule for low precision: cuDNN's best.
    Errors best{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    for (cudnnRNNAlgo_t algorithm : algorithms) {
        try {
            CudnnSide cudnn(device, handle, algorithm, problem, rondo.plan(), rondo.device_x(), rondo.device_dy());
            const Errors theirs = errors_of(cudnn, reference, problem);
            made.json[name_of(algorithm)] = theirs.json();
            if (theirs.y < best.y) best.y = theirs.y;
            if (theirs.dx < best.dx) best.dx = theirs.dx;
        } catch (const Error& error) {
            made.json[name_of(algorithm)] = {{"error", error.what()}};
        }
    }
    const double slack = 4 * unit_roundoff(row.dtype);
    const auto differs = [&](const char* what, double error, double naive) {
        // A cuDNN that is far from the reference was given other weights, and would excuse anything.
        if (std::isfinite(naive) && naive > 0.1)
            made.refusal = detail::concat(what, ": cuDNN is ", naive, " of the largest value off the reference");
        const double allowed = (std::isfinite(naive) ? 2 * naive : 0) + slack;
        if (!(error <= allowed))
            made.refusal =
                detail::concat(what, ": Rondo is ", error, " of the largest value off, ", allowed, " is allowed");
    };
    differs("y", ours.y, best.y);
    differs("dx", ours.dx, best.dx);
    made.json["allowed_beside_twice_cudnn"] = slack;
    return made;
}

}  // namespace rondo::bench
