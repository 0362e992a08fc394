#include "rows/statistics.hpp"

#include <algorithm>
#include <cmath>

#include "rondo/error.hpp"

namespace rondo::bench {

double quantile(std::vector<double> samples, double q) {
    require(!samples.empty(), "samples", 0, "must be at least one");
    std::sort(samples.begin(), samples.end());
    const double at = q * static_cast<double>(samples.size() - 1);
    const auto below = static_cast<std::size_t>(at);
    const std::size_t above = std::min(below + 1, samples.size() - 1);
    return samples[below] + (at - std::floor(at)) * (samples[above] - samples[below]);
}

Timing timing_of(const std::vector<double>& samples) {
    const double median = quantile(samples, 0.5);
    return {median, (quantile(samples, 0.9) - quantile(samples, 0.1)) / (2 * median), static_cast<int>(samples.size())};
}

double geometric_mean(const std::vector<double>& values) {
    require(!values.empty(), "values", 0, "must be at least one");
    double sum = 0;
    for (double value : values) sum += std::log(value);
    return std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace rondo::bench
