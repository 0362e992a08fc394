/// Directions of a layer in turn, on two streams and batched into one product and one launch a step.
#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

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
        RnnHarness harness(device(), p, Mode::training, {DirectionOrder::batched});
        const Result out = harness.run(), ref = expected(p);
        EXPECT_TRUE(agree(p, out, ref, kDouble));
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
            if (++n % 4 == 0) p.spec.recurrent_clip = {RecurrentClip::Kind::norm, 0.6};
            if (n % 4 == 2) p.spec.recurrent_clip = {RecurrentClip::Kind::value, 0.2};
            for (const Mode mode : {Mode::training, Mode::inference}) {
                const auto turn = bits_in(p, mode, {DirectionOrder::in_turn});
                EXPECT_EQ(bits_in(p, mode, {DirectionOrder::batched}), turn) << precision.name() << " " << p.name;
                EXPECT_EQ(bits_in(p, mode, {DirectionOrder::streams}), turn) << precision.name() << " " << p.name;
            }
        }
    EXPECT_GT(n, 30);
}

TEST_F(CudaOrdersGpu, BatchedDirectionsAreCaptured) {
    for (const Case& c : with_two_directions(40)) {
        RnnHarness harness(device(), make_problem(c, Precision::bf16()), Mode::training, {DirectionOrder::batched});
        expect_the_same_recorded(harness);
    }
}

}  // namespace
}  // namespace rondo::test
