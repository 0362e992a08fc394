/// A stack on the GPU against the oracle: every output, every gradient tensor, every element.
#include "cuda/on_gpu.hpp"
#include "scheduler/cell_info.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"
#include "support/naive.hpp"
#include "support/observed.hpp"

namespace rondo::test {
namespace {

std::vector<Case> every(std::size_t stride, const std::vector<Case>& cases, std::size_t first = 0) {
    std::vector<Case> some;
    for (std::size_t i = first; i < cases.size(); i += stride) some.push_back(cases[i]);
    return some;
}

/// A step of these takes several blocks, one element to a thread or more.
std::vector<Case> blocks_cases() {
    std::vector<Case> cases = wide_cases();
    for (Case c : wide_cases()) {
        c.spec.layers[0].hidden += 1;  // a multiple of what a thread may take
        c.name += " and one more";
        cases.push_back(c);
    }
    return cases;
}

class CudaGradientsGpu : public GpuTest {
protected:
    Problem problem_of(const Case& c, Precision precision) {
        Problem p = rounded_to_storage(make_problem(c, precision));
        take_masks(device(), p);
        return p;
    }

    /// Proof rule 2.
    void check_in_double(const std::string& what, const std::vector<Case>& cases) {
        Worst worst;
        int n = 0;
        for (const Case& c : cases) {
            const Problem p = problem_of(c, Precision::f64());
            RnnHarness harness(device(), p, Mode::training, {.observe = ++n % 3 != 0});
            const Result out = harness.run(), ref = expected(p);
            EXPECT_TRUE(agree(p, out, ref, kDouble));
            worst.take(p, out, ref, kDouble);
            if (harness.observations) EXPECT_LE(observed_ratio(harness, ref, kDouble), 1) << p.name;
        }
        record(what + " in f64", n, worst);
    }

    /// Proof rule 5.
    void check_in(Precision precision, const std::string& what, const std::vector<Case>& cases) {
        const double unit = unit_roundoff(precision);
        Worst worst;
        int n = 0;
        for (Case c : cases) {
            if (!keeps_rounding_small(c.spec)) continue;
            std::map<std::string, StorageError> tensors;
            const std::int64_t draws = 3 + 30 / (c.steps * c.batch);
            for (std::int64_t draw = 0; draw < draws; ++draw, ++n) {
                c.seed += 10007;
                const Problem p = problem_of(c, precision);
                const Result out = run_on(device(), p), ref = expected(p), naive = naive_in_storage(p);
                std::map<std::string, const Tensor*> plain;
                for_each_tensor(p.spec, naive, naive,
                                [&](const std::string& name, const Tensor& t, const Tensor&) { plain[name] = &t; });
                for_each_tensor(p.spec, out, ref, [&](const std::string& name, const Tensor& a, const Tensor& b) {
                    tensors[name].take(a, *plain.at(name), b);
                });
            }
            for (const auto& [name, error] : tensors) {
                EXPECT_LE(error.ratio(unit), 1) << precision.name() << " " << c.name << ": " << name;
                worst.take(error.ratio(unit), c.name + " " + name);
            }
        }
        record(detail::concat(what, " in ", precision.name()), n, worst);
    }
};

TEST_F(CudaGradientsGpu, SingleLayers) { check_in_double("single layers", single_layer_cases()); }
TEST_F(CudaGradientsGpu, EdgeExtents) { check_in_double("edge extents", edge_cases()); }
TEST_F(CudaGradientsGpu, Stacks) { check_in_double("stacks", stack_cases(100)); }
TEST_F(CudaGradientsGpu, LongSequences) { check_in_double("long sequences", every(3, long_cases())); }

TEST_F(CudaGradientsGpu, ObservesGatesNearTheEndsOfTheirRange) {
    for (LayerSpec layer : cell_variants())
        for (const Precision& precision : {Precision::f64(), Precision::f32(), Precision::bf16(), Precision::f16()}) {
            layer.hidden = 12;
            layer.biases = Biases::two;
            if (cell_info(layer.cell, layer.options).clippable) layer.cell_clip = 0.5;  // which marks a gate
            StackSpec spec{.input = 3, .layers = {layer}, .precision = precision};
            draw_nothing(spec);
            const Problem p = with_ends(random_problem(describe(layer), spec, 5, 3, {5, 2, 0}, 7));
            RnnHarness harness(device(), p, Mode::training, {.observe = true});
            harness.run();
            const Tensor told = harness.observations->get();
            for (const ObservationInfo& info : harness.plan.observations)
                for (std::int64_t t = 0; t < p.steps; ++t) {
                    const auto gates = told.begin() + info.offset + t * info.columns() + ObservationInfo::kFirstGate;
                    EXPECT_EQ(Tensor(gates, gates + info.columns() - ObservationInfo::kFirstGate),
                              expected_ends(harness, info, t))
                        << precision.name() << " " << p.name << " step " << t;
                }
        }
}

TEST_F(CudaGradientsGpu, SeveralBlocks) { check_in_double("several blocks", blocks_cases()); }

TEST_F(CudaGradientsGpu, SingleLayersInF32) {
    check_in(Precision::f32(), "single layers", every(7, single_layer_cases()));
}
TEST_F(CudaGradientsGpu, EdgeExtentsInF32) { check_in(Precision::f32(), "edge extents", every(11, edge_cases())); }
TEST_F(CudaGradientsGpu, StacksInF32) { check_in(Precision::f32(), "stacks", stack_cases(15)); }

TEST_F(CudaGradientsGpu, SingleLayersInTf32) {
    check_in(Precision::tf32(), "single layers", every(7, single_layer_cases(), 3));
}
TEST_F(CudaGradientsGpu, EdgeExtentsInTf32) { check_in(Precision::tf32(), "edge extents", every(11, edge_cases(), 3)); }
TEST_F(CudaGradientsGpu, StacksInTf32) { check_in(Precision::tf32(), "stacks", stack_cases(15)); }

TEST_F(CudaGradientsGpu, SingleLayersInBf16) {
    check_in(Precision::bf16(), "single layers", every(7, single_layer_cases(), 1));
}
TEST_F(CudaGradientsGpu, EdgeExtentsInBf16) { check_in(Precision::bf16(), "edge extents", every(11, edge_cases(), 1)); }
TEST_F(CudaGradientsGpu, StacksInBf16) { check_in(Precision::bf16(), "stacks", stack_cases(15)); }

TEST_F(CudaGradientsGpu, SingleLayersInF16) {
    check_in(Precision::f16(), "single layers", every(7, single_layer_cases(), 2));
}
TEST_F(CudaGradientsGpu, EdgeExtentsInF16) { check_in(Precision::f16(), "edge extents", every(11, edge_cases(), 2)); }
TEST_F(CudaGradientsGpu, StacksInF16) { check_in(Precision::f16(), "stacks", stack_cases(15)); }

}  // namespace
}  // namespace rondo::test
