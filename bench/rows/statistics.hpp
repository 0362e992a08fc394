#pragma once
/// What is told of repeated measurements.
#include <vector>

namespace rondo::bench {

struct Timing {
    double median = 0;
    double spread = 0;  ///< half the distance from the 10th to the 90th percentile, relative to the median
    int samples = 0;
};

/// The value below which a share `q` of the samples lies, between neighbours by interpolation. Throws Error on none.
double quantile(std::vector<double> samples, double q);

Timing timing_of(const std::vector<double>& samples);

/// exp(mean(log)). Throws Error on none.
double geometric_mean(const std::vector<double>& values);

}  // namespace rondo::bench
