/// Norms and sums of whole arrays.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {
namespace {

/// In double, in lanes that are added up in order.
template <class T>
double squares(const T* x, std::int64_t count) {
    constexpr std::int64_t kLanes = 8;
    double lane[kLanes] = {};
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (std::int64_t j = 0; j < kLanes; ++j) {
            const double v = static_cast<double>(x[i + j]);
            lane[j] += v * v;
        }
    for (std::int64_t j = 0; i + j < count; ++j) {
        const double v = static_cast<double>(x[i + j]);
        lane[j] += v * v;
    }
    double sum = 0;
    for (double l : lane) sum += l;
    return sum;
}

/// "+=" takes the larger, and NaN.
struct Largest {
    double value = 0;
    Largest& operator+=(Largest other) {
        if (other.value > value || std::isnan(other.value)) value = other.value;
        return *this;
    }
};

}  // namespace

void CpuBackend::sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        const auto* from = static_cast<const T*>(x);
        const double total = cpu::ChunkedSum<double>::run(
            pool_, count, 1, [&](std::int64_t begin, std::int64_t end) { return squares(from + begin, end - begin); });
        *sum = (accumulate ? *sum : 0) + total;
    });
}

void CpuBackend::largest(DType dtype, const void* x, std::int64_t count, double* largest, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        const auto* from = static_cast<const T*>(x);
        *largest = cpu::ChunkedSum<Largest>::run(pool_, count, 1, [&](std::int64_t begin, std::int64_t end) {
                       Largest part;
                       for (std::int64_t i = begin; i < end; ++i) part += {std::abs(static_cast<double>(from[i]))};
                       return part;
                   }).value;
    });
}

void CpuBackend::add(DType dtype, void* to, const void* from, std::int64_t count, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        auto* sum = static_cast<T*>(to);
        const auto* x = static_cast<const T*>(from);
        pool_.parallel_for(count, cpu::kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) sum[i] += x[i];
        });
    });
}

void CpuBackend::zero_unless_finite(void* p, std::size_t bytes, const double* values, std::int64_t count, Stream) {
    if (!std::all_of(values, values + count, [](double v) { return std::isfinite(v); })) std::memset(p, 0, bytes);
}

void CpuBackend::plan_update(const UpdatePlan& plan, Stream) { rondo::plan_update(plan); }

}  // namespace rondo
