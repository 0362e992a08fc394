#include "gpu/agreement.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "rows/parity_rows.hpp"

namespace rondo::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double unit_roundoff(const std::string& dtype) {
    if (dtype == "bf16") return 0x1p-8;
    if (dtype == "f16" || dtype == "tf32") return 0x1p-11;
    return dtype == "f32" ? 0x1p-24 : 0x1p-53;
}

/// max|out - ref| / max|ref| over what `counts` says yes to; NaN where any is.
template <class Counts>
double error_of(std::span<const double> out, std::span<const double> ref, Counts counts) {
    double error = 0, largest = 0;
    for (std::size_t i = 0; i < ref.size(); ++i) {
        if (!counts(i)) continue;
        const double apart = std::abs(out[i] - ref[i]);
        if (!(apart <= std::numeric_limits<double>::max())) return kNan;
        error = std::max(error, apart);
        largest = std::max(largest, std::abs(ref[i]));
    }
    return error == 0 ? 0 : error / largest;
}

/// Of tensors [T,B,·] only the steps within a row's length.
double error_of(const std::vector<double>& out, const std::vector<double>& ref, const Problem& problem) {
    const auto batch = static_cast<std::size_t>(problem.row.batch);
    const std::size_t width = ref.size() / (batch * static_cast<std::size_t>(problem.row.steps));
    return error_of(out, ref, [&](std::size_t i) {
        return static_cast<std::int64_t>(i / width / batch) < problem.lengths[i / width % batch];
    });
}

/// Of parameters the worst tensor's.
double error_of(const std::vector<double>& out, const std::vector<double>& ref, const Plan& plan) {
    double worst = 0;
    for (const ParameterInfo& tensor : plan.parameters) {
        const auto part = [&](const std::vector<double>& all) {
            return std::span(all).subspan(static_cast<std::size_t>(tensor.offset),
                                          static_cast<std::size_t>(tensor.shape.size()));
        };
        const double error = error_of(part(out), part(ref), [](std::size_t) { return true; });
        if (!(error <= worst)) worst = error;
        if (std::isnan(worst)) break;
    }
    return worst;
}

constexpr std::array<const char*, 7> kNames{"y", "dx", "dparameters", "hy", "cy", "dhx", "dcx"};
using Errors = std::array<double, kNames.size()>;

Json json_of(const Errors& errors) {
    Json json;
    for (std::size_t i = 0; i < kNames.size(); ++i) json[kNames[i]] = errors[i];
    return json;
}

template <class Side>
Errors errors_of(Side& side, const RondoSide& reference, const Problem& problem) {
    side.run();
    Errors errors{};  // 0: the row has no such thing
    errors[0] = error_of(side.y(), reference.y(), problem);
    const auto all = [](std::size_t) { return true; };
    for (int state = 0; problem.row.carried && state < (problem.row.cell == "lstm" ? 2 : 1); ++state) {
        const auto s = static_cast<std::size_t>(state);
        errors[3 + s] = error_of(side.final_state(state), reference.final_state(state), all);
        if (problem.row.training)
            errors[5 + s] = error_of(side.dinitial_state(state), reference.dinitial_state(state), all);
    }
    if (!problem.row.training) return errors;
    errors[1] = error_of(side.dx(), reference.dx(), problem);
    errors[2] = error_of(side.dparameters(), reference.dparameters(), reference.plan());
    return errors;
}

}  // namespace

Agreement agreement(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row,
                    const std::vector<cudnnRNNAlgo_t>& algorithms) {
    static const Device cpu = Device::cpu();  // its threads take longer to start than a small case to compute
    const Problem problem(row);
    const bool large = is_large(row);
    RondoSide reference(large ? device : cpu, large ? stream : Stream{}, problem, Precision::f64());
    reference.run();
    RondoSide rondo(device, stream, problem, problem.stack.precision);
    const Errors ours = errors_of(rondo, reference, problem);

    Agreement made;
    made.json = {{"steps", row.steps}, {"batch", row.batch}, {"rondo", json_of(ours)}};
    Errors best;
    best.fill(std::numeric_limits<double>::infinity());
    for (cudnnRNNAlgo_t algorithm : algorithms) {
        try {
            CudnnSide cudnn(device, handle, algorithm, problem, rondo.plan(), rondo.device_x(), rondo.device_dy());
            const Errors theirs = errors_of(cudnn, reference, problem);
            made.json[name_of(algorithm)] = json_of(theirs);
            made.compared = true;
            for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::fmin(best[i], theirs[i]);
        } catch (const Error& error) {
            made.json[name_of(algorithm)] = {{"error", error.what()}};
        }
    }
    for (std::size_t i = 0; made.compared && i < kNames.size(); ++i) {
        const double allowed = 2 * best[i] + 4 * unit_roundoff(row.dtype);
        if (!(ours[i] <= allowed))
            made.refusal = detail::concat(kNames[i], ": Rondo is ", ours[i], " of the largest value off, ", allowed,
                                          " is allowed");
        // A cuDNN that far off was given another problem, and would excuse anything.
        if (!(best[i] <= 0.1))
            made.refusal = detail::concat(kNames[i], ": cuDNN is ", best[i], " of the largest value off the reference");
    }
    return made;
}

}  // namespace rondo::bench
