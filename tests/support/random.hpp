#pragma once
/// Numbers that are the same on every machine and in every run.
#include <cstdint>
#include <vector>

namespace rondo::test {

/// SplitMix64 (G. Steele, D. Lea, C. Flood, 2014).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    /// Uniform in [-limit, limit); a float holds it exactly where limit is a power of two.
    double uniform(double limit = 1) { return limit * (static_cast<double>(bits() >> 40) * 0x1p-23 - 1); }

    /// 0 to count-1.
    std::int64_t below(std::int64_t count) {
        return static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(count));
    }

    std::vector<double> uniforms(std::int64_t count, double limit = 1) {
        std::vector<double> values(static_cast<std::size_t>(count));
        for (double& v : values) v = uniform(limit);
        return values;
    }

private:
    std::uint64_t state_;
};

}  // namespace rondo::test
