/// Directions of a layer in turn, on two streams and batched into one product and one launch a step; layers of a stack
/// in turn and as a wavefront.
#include "cuda/loop_choice.hpp"
#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"
#include "support/observed.hpp"

namespace rondo::test {
namespace {

class CudaOrdersGpu : public GpuTest {
protected:
    /// Whether products sum in one order whatever their extents: cuBLASLt picks an algorithm for each.
    bool one_order_of_sums() const { return device().description().find("emulated") != std::string::npos; }

    std::vector<std::byte> bits_in(const Problem& p, Mode mode, const Orders& orders) {
        RnnHarness harness(device(), p, mode, orders);
        harness.run();
        return harness.bits();
    }

    void expect_the_same_recorded(RnnHarness& harness) {
        const DeviceStream stream(device());
        const auto step = [&] {
            harness.rnn.prepare(harness.parameters->data(), harness.prepared->data(), stream);
            const ForwardToken token = harness.rnn.forward(harness.plan, harness.forward_args, stream);
            harness.rnn.backward(harness.plan, token, harness.backward_args, stream);
        };
        backend().synchronize({});  // what the harness has uploaded
        step();
        backend().synchronize(stream);
        const auto expected_bits = harness.bits();
        harness.poison_outputs();
        void* const recording = backend().record(stream, step);
        backend().replay(recording, stream);
        backend().synchronize(stream);
        EXPECT_EQ(harness.bits(), expected_bits) << harness.problem().name;
        backend().free_recording(recording);
    }
};

std::vector<Case> with_two_directions(std::size_t stride) {
    std::vector<Case> some;
    std::size_t n = 0;
    for (const std::vector<Case>& cases : {single_layer_cases(), edge_cases(), stack_cases(40)})
        for (Case c : cases) {
            if (c.steps * c.batch > 400) continue;
            bool both = false;
            for (LayerSpec& layer : c.spec.layers) {
                if (cases.size() > 100 && c.spec.layers.size() == 1 && c.steps <= 2)  // edge cases run forward
                    layer.direction = Direction::bidirectional;
                both = both || layer.direction == Direction::bidirectional;
            }
            if (both && ++n % stride == 0) some.push_back(c);
        }
    return some;
}

TEST_F(CudaOrdersGpu, BatchedDirectionsAreTheOracles) {
    Worst worst;
    int n = 0;
    for (const Case& c : with_two_directions(4)) {
        Problem p = make_problem(c);
        take_masks(device(), p);
        RnnHarness harness(device(), p, Mode::training, {.directions = DirectionOrder::batched, .observe = true});
        const Result out = harness.run(), ref = expected(p);
        EXPECT_TRUE(agree(p, out, ref, kDouble));
        EXPECT_LE(observed_ratio(harness, ref, kDouble), 1) << p.name;
        worst.take(p, out, ref, kDouble);
        ++n;
    }
    record("directions batched, in f64", n, worst);
}

TEST_F(CudaOrdersGpu, EveryOrderOfDirectionsGivesTheSameBits) {
    if (!one_order_of_sums()) GTEST_SKIP() << "cuBLASLt may take another algorithm for a batch";
    int n = 0;
    for (const Case& c : with_two_directions(7))
        for (const Precision precision : {Precision::f64(), Precision::f32(), Precision::bf16()}) {
            Problem p = make_problem(c, precision);
            if (++n % 4 == 0 && has_steps(p.spec)) p.spec.recurrent_clip = {RecurrentClip::Kind::norm, 0.6};
            if (n % 4 == 2 && has_steps(p.spec)) p.spec.recurrent_clip = {RecurrentClip::Kind::value, 0.2};
            for (const Mode mode : {Mode::training, Mode::inference}) {
                const auto bits = [&](DirectionOrder order) {
                    return bits_in(p, mode, {.directions = order, .observe = n % 2 != 0});
                };
                const auto turn = bits(DirectionOrder::in_turn);
                EXPECT_EQ(bits(DirectionOrder::batched), turn) << precision.name() << " " << p.name;
                EXPECT_EQ(bits(DirectionOrder::streams), turn) << precision.name() << " " << p.name;
            }
        }
    EXPECT_GT(n, 30);
}

TEST_F(CudaOrdersGpu, BatchedDirectionsAreCaptured) {
    for (const Case& c : with_two_directions(40)) {
        RnnHarness harness(device(), make_problem(c, Precision::bf16()), Mode::training,
                           {.directions = DirectionOrder::batched, .observe = true});
        expect_the_same_recorded(harness);
    }
}

TEST_F(CudaOrdersGpu, WavefrontsAreTheOracles) {
    Worst worst;
    int n = 0;
    for (const Case& c : wavefront_cases(40)) {
        Problem p = make_problem(c);
        take_masks(device(), p);
        RnnHarness harness(device(), p, Mode::training, {.layers = LayerOrder::wavefront, .observe = true});
        ASSERT_EQ(harness.plan.forward.back().stream, static_cast<int>(p.spec.layers.size() - 1));
        ASSERT_GT(harness.plan.forward.back().wave, static_cast<int>(p.spec.layers.size())) << "several pieces";
        const Result out = harness.run(), ref = expected(p);
        EXPECT_TRUE(agree(p, out, ref, kDouble));
        EXPECT_LE(observed_ratio(harness, ref, kDouble), 1) << p.name;
        worst.take(p, out, ref, kDouble);
        ++n;
    }
    EXPECT_GT(n, 15);
    record("wavefronts over layers, in f64", n, worst);
}

/// A wavefront is the same arithmetic, but that a scan takes a piece's steps together and that the weights' gradients
/// are summed piece by piece; and every run gives the same bits.
TEST_F(CudaOrdersGpu, WavefrontsRepeatTheirBits) {
    const Orders wavefront{.layers = LayerOrder::wavefront}, in_turn{.layers = LayerOrder::in_turn};
    int n = 0;
    for (const Case& c : wavefront_cases(15)) {
        const Problem p = make_problem(c, ++n % 3 == 0 ? Precision::f64() : Precision::bf16());
        EXPECT_EQ(bits_in(p, Mode::training, wavefront), bits_in(p, Mode::training, wavefront)) << p.name;
        if (!one_order_of_sums() || !has_steps(p.spec)) continue;
        EXPECT_EQ(bits_in(p, Mode::inference, wavefront), bits_in(p, Mode::inference, in_turn)) << p.name;
        const Result wave = RnnHarness(device(), p, Mode::training, wavefront).run(),
                     turn = RnnHarness(device(), p, Mode::training, in_turn).run();
        EXPECT_EQ(wave.outputs.y, turn.outputs.y) << p.name;
        EXPECT_EQ(wave.outputs.final_states, turn.outputs.final_states) << p.name;
        EXPECT_EQ(wave.dx, turn.dx) << p.name;
        EXPECT_EQ(wave.dstates, turn.dstates) << p.name;
    }
}

TEST_F(CudaOrdersGpu, AWavefrontIsCaptured) {
    for (const Case& c : wavefront_cases(8)) {
        if (c.steps > 20) continue;  // the emulator's time grows with the square of what is recorded
        RnnHarness harness(device(), make_problem(c, Precision::f32()), Mode::training,
                           {.layers = LayerOrder::wavefront, .observe = true});
        expect_the_same_recorded(harness);
    }
}

/// An H100, as published: 132 multiprocessors, 227 KiB of shared memory, and how many clusters run at once.
int groups_of_an_h100(const kernels::Geometry& geometry) {
    if (geometry.shared_bytes > 226 * 1024) return 0;
    const int cluster = geometry.cluster;
    const int clusters = cluster == 16 ? 7 : cluster == 8 ? 15 : cluster == 4 ? 32 : 132 / cluster;
    return clusters / geometry.gathering;
}

kernels::LoopShape shape_of(int gates, std::int64_t hidden, std::int64_t batch, bool backward) {
    return {.gates = gates,
            .states = gates == 4 ? 2 : 1,
            .element_bytes = 2,
            .batch = batch,
            .hidden = hidden,
            .backward = backward};
}

cuda::LoopChoice choice_on_an_h100(int gates, std::int64_t hidden, std::int64_t batch, TimeLoop wanted,
                                   bool backward = false, int at_once = 1) {
    cuda::LoopQuestion question;
    question.at_once = at_once;
    question.shape = shape_of(gates, hidden, batch, backward);
    question.steps = 256;
    return cuda::choose_loop(question, wanted, {132, groups_of_an_h100});
}

TEST(CudaLoopChoice, GrowsFromOneMultiprocessorToManyAndBackToSteps) {
    const auto exchange = [](std::int64_t hidden, std::int64_t batch) {
        const cuda::LoopChoice choice = choice_on_an_h100(4, hidden, batch, TimeLoop::automatic);
        return choice.geometry ? cuda::describe(*choice.geometry) : std::string("steps");
    };
    for (const std::int64_t hidden : {64, 128})
        EXPECT_TRUE(exchange(hidden, 1024).starts_with("solo")) << "rows for all: " << exchange(hidden, 1024);
    EXPECT_TRUE(exchange(128, 16).starts_with("cluster")) << exchange(128, 16);
    EXPECT_TRUE(exchange(256, 16).starts_with("cluster")) << exchange(256, 16);
    EXPECT_TRUE(exchange(512, 16).starts_with("cluster")) << exchange(512, 16);
    for (const std::int64_t hidden : {650, 768, 1024, 1500})
        EXPECT_TRUE(exchange(hidden, 20).starts_with("grid")) << exchange(hidden, 20);
    EXPECT_EQ(exchange(4096, 256), "steps");
}

/// Layers of a wavefront: clusters of theirs may wait for each other's end, blocks of a grid may not.
TEST(CudaLoopChoice, ManyAtOnceShareADevice) {
    for (const bool backward : {false, true}) {
        const auto chosen = [&](std::int64_t hidden, TimeLoop wanted, int at_once) {
            return choice_on_an_h100(4, hidden, 16, wanted, backward, at_once).geometry;
        };
        EXPECT_TRUE(chosen(512, TimeLoop::cluster, 8)) << "seven clusters of 16 run at once";
        const auto grid = chosen(1024, TimeLoop::grid, 3);
        ASSERT_TRUE(grid);
        EXPECT_LE(3 * grid->groups * grid->ranks, 132);
        EXPECT_FALSE(chosen(1024, TimeLoop::grid, 8)) << "16 multiprocessors do not hold W_hh";
    }
}

TEST(CudaLoopChoice, BackwardSumsTravelInAClusterAndGatesThroughL2) {
    using kernels::Exchange;
    const kernels::LoopShape shape = shape_of(4, 512, 8, true);
    const kernels::Geometry cluster = kernels::lay_out(shape, Exchange::cluster, 16, 8);
    EXPECT_EQ(cluster.box_bytes, 8 * 512 * sizeof(float)) << "a row's dh";
    EXPECT_EQ(cluster.slots, 16) << "a block each";
    EXPECT_EQ(cluster.board_bytes, 0u);
    const kernels::Geometry grid = kernels::lay_out(shape, Exchange::grid, 32, 8);
    EXPECT_GE(grid.board_bytes, 8u * 4 * 512 * 2) << "a row's dgates";
    EXPECT_EQ(grid.slots, grid.splits);
    const kernels::Geometry both = kernels::lay_out(shape, Exchange::grid, 32, 8, 8);
    EXPECT_EQ(both.box_bytes, 8 * 8 * 16 * sizeof(float)) << "from eight blocks what 16 units' dh are made of";
    EXPECT_GE(both.board_bytes, 8u * 4 * 512 / 8 * 2) << "an eighth of a row's dgates";
    EXPECT_LT(both.board_bytes, grid.board_bytes / 6);
    const auto exchange = [](std::int64_t hidden) {
        return cuda::describe(*choice_on_an_h100(4, hidden, 16, TimeLoop::automatic, true).geometry);
    };
    EXPECT_TRUE(exchange(512).starts_with("cluster")) << exchange(512);
    EXPECT_TRUE(exchange(1024).starts_with("grid")) << exchange(1024);
}

TEST(CudaLoopChoice, LaysOutWhatItChooses) {
    for (const bool backward : {false, true})
        for (const int gates : {1, 3, 4})
            for (const std::int64_t hidden : {1, 32, 62, 128, 200, 256, 512, 650, 768, 1024, 1500, 2048})
                for (const std::int64_t batch : {1, 20, 62, 64, 256})
                    for (const TimeLoop wanted : {TimeLoop::solo, TimeLoop::cluster, TimeLoop::grid}) {
                        const cuda::LoopChoice choice = choice_on_an_h100(gates, hidden, batch, wanted, backward);
                        SCOPED_TRACE(testing::Message() << gates << " gates, H " << hidden << ", B " << batch << ", "
                                                        << name_of(wanted) << (backward ? " backward" : ""));
                        if (!choice.geometry) {
                            EXPECT_FALSE(choice.reason.empty());
                            continue;
                        }
                        const kernels::Geometry& g = *choice.geometry;
                        EXPECT_GT(groups_of_an_h100(g), 0);
                        EXPECT_GE(std::int64_t{g.ranks} * g.units, hidden);
                        EXPECT_GE(std::int64_t{g.groups} * g.rows, batch);
                        EXPECT_LE(g.threads(), 32 * kernels::kLoopWarps);
                        EXPECT_GE(g.splits * g.tiles, g.all_tiles);
                        EXPECT_LT((g.splits - 1) * g.tiles, g.all_tiles);
                        const int strips = (backward ? g.cluster : 1) * g.units /
                                           shape_of(gates, hidden, batch, backward).warp_units();
                        EXPECT_EQ(g.ranks % g.cluster, 0);
                        EXPECT_LE(g.waves, kernels::kMostWaves);
                        EXPECT_GE(g.strip_warps * g.strips, strips);
                        EXPECT_LT((g.strip_warps - 1) * g.strips, strips);
                        if (wanted == TimeLoop::grid) {
                            EXPECT_LE(g.groups * g.ranks, 132);
                            EXPECT_LT(std::int64_t{g.ranks - g.cluster} * g.units, hidden);
                        }
                        if (wanted == TimeLoop::solo) EXPECT_EQ(g.ranks, 1);
                    }
}

}  // namespace
}  // namespace rondo::test
