#pragma once
/// What the element-wise operations share: the C++ type of a DType, and sums in a fixed order.
#include <algorithm>
#include <array>
#include <cstdint>

#include "cpu/thread_pool.hpp"
#include "rondo/dtype.hpp"

namespace rondo::cpu {

/// f.operator()<float>() or <double>(). Throws Error on other types.
template <class F>
void with_type(DType dtype, F f) {
    switch (dtype) {
        case DType::f32:
            f.template operator()<float>();
            return;
        case DType::f64:
            f.template operator()<double>();
            return;
        default:
            refuse("dtype", dtype, "must be f32 or f64 on the CPU");
    }
}

/// Elements below which a second thread costs more than it brings.
inline constexpr std::int64_t kGrain = 16384;

/// A sum over [0, count) that has the same bits on any number of threads: the range is cut into kChunks pieces by
/// `count` alone, and their sums are added in order.
template <class Sum>
class ChunkedSum {
public:
    static constexpr std::int64_t kChunks = 64;

    /// part(begin, end) -> Sum. `work` is the cost of one item in elements.
    template <class Part>
    static Sum run(ThreadPool& pool, std::int64_t count, std::int64_t work, const Part& part) {
        const std::int64_t size = (count + kChunks - 1) / kChunks;
        if (size == 0) return Sum{};
        const std::int64_t chunks = (count + size - 1) / size;
        std::array<Sum, kChunks> sums{};
        const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size * work));
        pool.parallel_for(chunks, grain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t c = begin; c < end; ++c)
                sums[static_cast<std::size_t>(c)] = part(c * size, std::min(count, (c + 1) * size));
        });
        Sum total{};
        for (std::int64_t c = 0; c < chunks; ++c) total += sums[static_cast<std::size_t>(c)];
        return total;
    }
};

}  // namespace rondo::cpu
