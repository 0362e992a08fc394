/// Norms, scaling and clamping of whole arrays.
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

}  // namespace

void CpuBackend::sum_of_squares(DType dtype, const void* x, std::int64_t count, double* sum, bool accumulate, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        const auto* from = static_cast<const T*>(x);
        const double total = cpu::ChunkedSum<double>::run(
            pool_, count, 1, [&](std::int64_t begin, std::int64_t end) { return squares(from + begin, end - begin); });
        *sum = (accumulate ? *sum : 0) + total;
    });
}

void CpuBackend::scale(DType dtype, void* x, std::int64_t count, double factor, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        auto* p = static_cast<T*>(x);
        const T f = static_cast<T>(factor);
        pool_.parallel_for(count, cpu::kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) p[i] *= f;
        });
    });
}

void CpuBackend::clamp(DType dtype, void* x, std::int64_t count, double limit, Stream) {
    cpu::with_type(dtype, [&]<class T>() {
        auto* p = static_cast<T*>(x);
        const T l = static_cast<T>(limit);
        pool_.parallel_for(count, cpu::kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) p[i] = math::clamp(p[i], l);
        });
    });
}

}  // namespace rondo
