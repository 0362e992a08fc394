/// A stack on the GPU against the oracle: every output, every gradient tensor, every element.
#include <limits>

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

    /// What plans are asked for, and a look at each.
    Orders orders_{};
    virtual void look_at(const Plan&) const {}

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

    /// Proof rule 5, with what one operation may round by.
    void check_in(Precision precision, const std::string& what, const std::vector<Case>& cases) {
        check_in(precision, unit_roundoff(precision), what, cases);
    }
    void check_in(Precision precision, double unit, const std::string& what, const std::vector<Case>& cases) {
        Worst worst;
        int n = 0;
        for (Case c : cases) {
            if (!keeps_rounding_small(c.spec)) continue;
            std::map<std::string, StorageError> tensors;
            const std::int64_t draws = 3 + 30 / (c.steps * c.batch);
            for (std::int64_t draw = 0; draw < draws; ++draw, ++n) {
                c.seed += 10007;
                const Problem p = problem_of(c, precision);
                RnnHarness harness(device(), p, Mode::training, orders_);
                look_at(harness.plan);
                const Result out = harness.run(), ref = expected(p), naive = naive_in_storage(p);
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

/// Time loops in one launch.
class CudaLoopsGpu : public CudaGradientsGpu {
protected:
    void look_at(const Plan& plan) const override {
        for (const auto* list : {&plan.forward, &plan.backward})
            for (const Operation& op : *list)
                if (op.kind == Operation::Kind::time_loop)
                    EXPECT_TRUE(op.algorithm.starts_with(name_of(orders_.loop)))
                        << op.algorithm << " (" << op.reason << ")";
    }
    /// Some cases, from `first` on; more of them in bf16.
    void check(TimeLoop loop, Precision precision, std::size_t first) {
        orders_.loop = loop;
        const std::size_t stride = precision == Precision::bf16() ? 7 : 13;
        // Tensor cores cut sums off, which takes up to a unit of the last place, where rounding takes half of one.
        const double unit = unit_roundoff(precision) * (precision == Precision::f32() ? 2 : 1);
        check_in(precision, unit, detail::concat("loops, ", name_of(loop)), every(stride, loop_cases(), first));
    }
};

TEST_F(CudaLoopsGpu, SoloInBf16) { check(TimeLoop::solo, Precision::bf16(), 0); }
TEST_F(CudaLoopsGpu, SoloInF16) { check(TimeLoop::solo, Precision::f16(), 1); }
TEST_F(CudaLoopsGpu, SoloInTf32) { check(TimeLoop::solo, Precision::tf32(), 2); }
TEST_F(CudaLoopsGpu, SoloInF32) { check(TimeLoop::solo, Precision::f32(), 3); }

TEST_F(CudaLoopsGpu, ClusterInBf16) { check(TimeLoop::cluster, Precision::bf16(), 2); }
TEST_F(CudaLoopsGpu, ClusterInF16) { check(TimeLoop::cluster, Precision::f16(), 3); }
TEST_F(CudaLoopsGpu, ClusterInTf32) { check(TimeLoop::cluster, Precision::tf32(), 4); }
TEST_F(CudaLoopsGpu, ClusterInF32) { check(TimeLoop::cluster, Precision::f32(), 0); }

TEST_F(CudaLoopsGpu, GridInBf16) { check(TimeLoop::grid, Precision::bf16(), 4); }
TEST_F(CudaLoopsGpu, GridInF16) { check(TimeLoop::grid, Precision::f16(), 0); }
TEST_F(CudaLoopsGpu, GridInTf32) { check(TimeLoop::grid, Precision::tf32(), 1); }
TEST_F(CudaLoopsGpu, GridInF32) { check(TimeLoop::grid, Precision::f32(), 2); }

constexpr TimeLoop kWhole[] = {TimeLoop::solo, TimeLoop::cluster, TimeLoop::grid};

/// Of each exchange one: two directions, more rows than a block takes at a time, units that do not fill the last block.
class CudaLoopExchangesGpu : public CudaLoopsGpu {
protected:
    Problem problem(const char* cell, Precision precision, bool ragged = true) const {
        const LayerSpec layer{.cell = cell, .hidden = 49, .direction = Direction::bidirectional};
        const std::vector<std::int64_t> lengths{4, 2, 4, 0, 1, 3, 4, 4, 2, 3, 1};
        return rounded_to_storage(
            random_problem(cell, {3, {layer}, precision}, 4, 11, ragged ? lengths : std::vector<std::int64_t>{}, 17));
    }
};

TEST_F(CudaLoopExchangesGpu, GiveTheSameBitsEveryTime) {
    for (const TimeLoop loop : kWhole) {
        RnnHarness harness(device(), problem("lstm", Precision::bf16()), Mode::training, {.loop = loop});
        harness.run();
        const std::vector<std::byte> first = harness.bits();
        harness.poison_outputs();
        harness.run();
        EXPECT_EQ(harness.bits(), first) << name_of(loop);
    }
}

TEST_F(CudaLoopExchangesGpu, KeepRowsApart) {
    for (const TimeLoop loop : kWhole) {
        Problem p = problem("gru", Precision::f16(), false);
        const auto rows = [&] { return RnnHarness(device(), p, Mode::training, {.loop = loop}).run(); };
        const Result first = rows();
        const std::size_t input = static_cast<std::size_t>(p.spec.input), batch = static_cast<std::size_t>(p.batch);
        for (std::size_t i = 0; i < p.inputs.x.size(); ++i)
            if (i / input % batch != 2) p.inputs.x[i] = i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN() : 0.25;
        const Result second = rows();
        const auto same = [&](const Tensor& a, const Tensor& b, std::int64_t width) {
            for (std::size_t i = 0; i < a.size(); ++i)
                if (i / static_cast<std::size_t>(width) % batch == 2 && a[i] != b[i]) return false;
            return true;
        };
        EXPECT_TRUE(same(first.outputs.y, second.outputs.y, p.spec.output())) << name_of(loop);
        EXPECT_TRUE(same(first.dx, second.dx, p.spec.input)) << name_of(loop);
    }
}

/// Whatever is asked of the states: that changes which memory they travel in, and whether the directions go together, too.
TEST_F(CudaLoopExchangesGpu, InferToTheBitWhatTrainingSaw) {
    for (const TimeLoop loop : kWhole)
        for (const DirectionOrder directions : {DirectionOrder::in_turn, DirectionOrder::batched}) {
            const Problem p = problem("lstm", Precision::f16());
            const Orders orders{.directions = directions, .loop = loop};
            const Result trained = RnnHarness(device(), p, Mode::training, orders).run();
            for (const bool steps_wanted : {false, true}) {
                SCOPED_TRACE(detail::concat(name_of(loop), ", ", name_of(directions), ", steps ", steps_wanted));
                RnnHarness inference(device(), p, Mode::inference, orders);
                if (!steps_wanted) inference.forward_args.state_steps = {};
                const Result inferred = inference.run();
                EXPECT_EQ(inferred.outputs.y, trained.outputs.y);
                EXPECT_EQ(inferred.outputs.final_states, trained.outputs.final_states);
                if (steps_wanted) EXPECT_EQ(inferred.outputs.state_steps, trained.outputs.state_steps);
            }
        }
}

/// Stepping says what is right: of a clip inside the recurrence, of what observers are told, and over pieces of time,
/// where a loop begins with what the one before it has left.
TEST_F(CudaLoopExchangesGpu, DoAsSteppingDoes) {
    constexpr Tolerance kSingle{1e-3, 1e-5};
    for (const TimeLoop loop : kWhole) {
        const char* const cell = loop == TimeLoop::solo ? "rnn_tanh" : loop == TimeLoop::cluster ? "lstm" : "gru";
        Problem p = problem(cell, Precision::f32());
        p.spec.layers[0].direction = Direction::forward;
        p.spec.layers.resize(3, p.spec.layers[0]);
        p = random_problem(cell, p.spec, p.steps, p.batch, p.inputs.lengths, 11);
        p.spec.recurrent_clip = {RecurrentClip::Kind::value, 0.05};
        const auto run = [&](TimeLoop how, LayerOrder layers) {
            orders_ = {.layers = layers, .loop = how, .observe = true};
            RnnHarness harness(device(), p, Mode::training, orders_);
            if (how != TimeLoop::steps) look_at(harness.plan);
            Result result = harness.run();
            const Tensor seen = harness.observations->get();
            result.outputs.y.insert(result.outputs.y.end(), seen.begin(), seen.end());
            return result;
        };
        const Result stepped = run(TimeLoop::steps, LayerOrder::in_turn);
        EXPECT_TRUE(agree(p, run(loop, LayerOrder::in_turn), stepped, kSingle)) << name_of(loop);
        EXPECT_TRUE(agree(p, run(loop, LayerOrder::wavefront), stepped, kSingle)) << name_of(loop);
    }
}

TEST_F(CudaLoopExchangesGpu, PlansSayWhyNot) {
    const auto reason = [&](const LayerSpec& layer, TimeLoop loop, Precision precision, RecurrentClip clip = {}) {
        StackSpec spec{4, {layer}, precision, clip};
        Extent extent{8, 4};
        extent.loop = loop;
        const Plan plan = Rnn(device(), spec).plan(extent);
        for (const auto* list : {&plan.backward, &plan.forward})
            for (const Operation& op : *list)
                if (op.kind == Operation::Kind::time_loop) return op.algorithm + ": " + op.reason;
        return std::string();
    };
    LayerSpec lstm{.cell = "lstm", .hidden = 32};
    const auto said = [&](const LayerSpec& layer, const char* words, RecurrentClip clip = {}) {
        const std::string text = reason(layer, TimeLoop::cluster, Precision::bf16(), clip);
        EXPECT_TRUE(text.starts_with("cuBLASLt") && text.find(words) != std::string::npos) << text;
    };
    EXPECT_TRUE(reason(lstm, TimeLoop::cluster, Precision::bf16()).starts_with("cluster"));
    EXPECT_TRUE(reason(lstm, TimeLoop::steps, Precision::bf16()).starts_with("cuBLASLt"));
    said(lstm, "norm of a row", {RecurrentClip::Kind::norm, 1});
    LayerSpec layer = lstm;
    layer.projection = 8;
    said(layer, "projected");
    layer = lstm;
    layer.zoneout = 0.1;
    said(layer, "zoneout");
    layer = lstm;
    layer.options.peepholes = true;
    said(layer, "no kernel");
    layer = lstm;
    layer.hidden = 3000;
    said(layer, "does not fit a cluster");
    EXPECT_NE(reason(lstm, TimeLoop::solo, Precision::f64()).find("f64"), std::string::npos);
}

}  // namespace
}  // namespace rondo::test
