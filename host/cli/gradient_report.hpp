#pragma once
/// Observed gradients as files: CSV for programs, a page for people.
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "rondo/gradient_flow.hpp"

namespace rondo::cli {

/// What one training step showed.
struct ObservedStep {
    std::int64_t step = 0;
    GradientFlow flow;
};

/// Of several batches as if they were one: norms are root mean squares, shares means over rows. A flow may have fewer
/// steps than the others.
GradientFlow mean_of(const std::vector<GradientFlow>& flows);

inline constexpr const char* kGradientsName = "gradients.csv";
inline constexpr const char* kGatesName = "gates.csv";
inline constexpr const char* kWeightsName = "weight_gradients.csv";
inline constexpr const char* kGradientPageName = "gradients.html";

/// Appends to the three files of a folder:
///     gradients.csv         step,layer,cell,t,rows,norm,through_time
///     gates.csv             step,layer,gate,t,low,high         t: "mean" for the mean over all of them
///     weight_gradients.csv  step,weight,norm
/// Rows past `step` are taken out when they are opened again; 0 begins new files.
class GradientLog {
public:
    enum class Gates { means, every_step };
    GradientLog(const std::string& folder, std::int64_t step, Gates gates);
    void add(const ObservedStep& observed);

private:
    std::string folder_;
    Gates gates_;
    std::ofstream gradients_, gate_shares_, weights_;
};

/// A page on what was seen last, and where there are several on how it came to that.
std::string gradient_page(const std::string& title, const std::vector<ObservedStep>& history);

}  // namespace rondo::cli
