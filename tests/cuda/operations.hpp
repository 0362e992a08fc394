#pragma once
/// What tests of single operations on the GPU share: guarded memory with numbers in it, and comparisons.
#include <algorithm>
#include <cmath>
#include <string>

#include "cuda/on_gpu.hpp"
#include "support/guarded.hpp"
#include "support/naive.hpp"
#include "support/random.hpp"

namespace rondo::test {

inline constexpr Stream kStream{};
inline constexpr DType kTypes[] = {DType::f64, DType::f32, DType::f16, DType::bf16};

class OperationsTest : public GpuTest {
protected:
    Guarded make(DType type, std::int64_t size, Alignment alignment = Alignment::cache_line) const {
        return Guarded(device(), type, size, alignment);
    }
    Guarded put(DType type, const Tensor& values, Alignment alignment = Alignment::cache_line) const {
        Guarded memory = make(type, static_cast<std::int64_t>(values.size()), alignment);
        memory.put(values);
        return memory;
    }
    /// i32 values in device memory; two to an element.
    Guarded put_ids(const std::vector<std::int32_t>& ids) const {
        Guarded memory = make(DType::i64, static_cast<std::int64_t>(ids.size() + 1) / 2);
        device().backend().upload(memory.data(), ids.data(), ids.size() * sizeof(std::int32_t), kStream);
        return memory;
    }
    Guarded put_doubles(const Tensor& values) const { return put(DType::f64, values); }

    /// Largest |out - expected| in units of the type's roundoff times the largest expected.
    static void expect_close(const Tensor& out, const Tensor& expected, DType type, double units,
                             const std::string& what) {
        ASSERT_EQ(out.size(), expected.size()) << what;
        double error = 0, largest = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
            const double e = std::abs(out[i] - expected[i]);
            ASSERT_TRUE(std::isfinite(e)) << what << " [" << i << "] is " << out[i] << ", not " << expected[i];
            error = std::max(error, e);
            largest = std::max(largest, std::abs(expected[i]));
        }
        EXPECT_LE(error, units * unit_roundoff(type) * largest) << what << " in " << type;
    }
};

}  // namespace rondo::test
