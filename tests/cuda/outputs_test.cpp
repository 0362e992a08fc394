/// What a layer's two directions make of one output.
#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

class CudaOutputsGpu : public GpuTest {
protected:
    /// The sum is of h as it was stored, so that y says no more than the states that are kept; in short storage it shows.
    void check_sums(Precision precision) {
        for (const Case& c : single_layer_cases()) {
            if (c.spec.layers[0].merge != Merge::sum) continue;
            Problem p = make_problem(c, precision);
            LayerSpec& layer = p.spec.layers[0];
            const auto y_with = [&](Merge merge) {
                layer.merge = merge;
                return RnnHarness(device(), p, Mode::inference).run().outputs.y;
            };
            const Tensor both = y_with(Merge::concatenate), sum = y_with(Merge::sum);
            Tensor expected(sum.size());
            const std::size_t width = static_cast<std::size_t>(layer.projection > 0 ? layer.projection : layer.hidden);
            for (std::size_t i = 0; i < sum.size(); ++i) {
                const double* const row = both.data() + i / width * 2 * width;
                expected[i] = row[i % width] + row[width + i % width];
            }
            Guarded rounded(device(), precision.storage, static_cast<std::int64_t>(sum.size()), Alignment::cache_line);
            rounded.put(expected);
            EXPECT_EQ(sum, rounded.get()) << c.name;
        }
    }
};

TEST_F(CudaOutputsGpu, SumsAreOfStatesAsTheyAreStoredInBf16) { check_sums(Precision::bf16()); }
TEST_F(CudaOutputsGpu, SumsAreOfStatesAsTheyAreStoredInF16) { check_sums(Precision::f16()); }

TEST_F(CudaOutputsGpu, InferenceExpectsOfZoneoutWhatTheCpuDoes) {
    int n = 0;
    for (const Case& c : single_layer_cases()) {
        if (c.spec.layers[0].zoneout == 0) continue;
        const Problem p = make_problem(c);
        const Result out = RnnHarness(device(), p, Mode::inference).run();
        const Result ref = RnnHarness(Device::cpu(1), p, Mode::inference).run();
        EXPECT_LE(error_ratio(out.outputs.y, ref.outputs.y, kDouble), 1) << c.name;
        ++n;
    }
    EXPECT_GT(n, 10);
}

}  // namespace
}  // namespace rondo::test
