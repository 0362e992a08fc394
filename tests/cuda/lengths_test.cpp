/// Lengths that lie in device memory are looked at there, and what is wrong with them is told at the next wait.
#include <algorithm>

#include "cuda/on_gpu.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

class CudaLengthsGpu : public GpuTest {
protected:
    static Problem problem(std::int64_t batch = 3) {
        std::vector<std::int64_t> lengths(static_cast<std::size_t>(batch), 2);
        lengths[0] = 0;
        lengths.back() = 5;
        const StackSpec spec{4, {{.cell = "gru", .hidden = 5}}, Precision::f64()};
        return random_problem("ragged", spec, 5, batch, lengths, 3);
    }
    void put(RnnHarness& harness, std::int64_t row, std::int64_t length, Stream stream = {}) {
        backend().upload(static_cast<std::int64_t*>(harness.lengths->data()) + row, &length, sizeof length, stream);
    }
    static bool names_row(const std::string& text, std::int64_t row) {
        return text.find(detail::concat("lengths[", row, "]")) != std::string::npos;
    }
    /// The row that is complained of, once.
    template <class F>
    void expect_told(std::int64_t row, const F& call) {
        try {
            call();
            ADD_FAILURE() << "nobody told of lengths[" << row << "]";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
            EXPECT_TRUE(names_row(error.what(), row)) << error.what();
        }
        device().check();  // told once
    }
};

TEST_F(CudaLengthsGpu, AWaitTellsOfARowOutsideItsSteps) {
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{6}, std::int64_t{1} << 40}) {
        RnnHarness harness(device(), problem());
        put(harness, 1, wrong);
        const ForwardToken token = harness.run_forward();  // queues: the device has not looked
        static_cast<void>(token);
        expect_told(1, [&] { backend().synchronize({}); });
        put(harness, 1, 2);
        EXPECT_TRUE(agree(harness.problem(), harness.run(), expected(harness.problem()), kDouble));
    }
}

TEST_F(CudaLengthsGpu, NothingIsToldOfWhatFits) {
    RnnHarness harness(device(), problem());
    put(harness, 0, 5);
    put(harness, 2, 0);
    harness.run_forward();
    backend().synchronize({});
    device().check();
}

/// More rows than the kernel has threads; the first one counts, wherever the others are.
TEST_F(CudaLengthsGpu, TheFirstRowIsTold) {
    for (const std::int64_t row : {0, 127, 128, 300}) {
        RnnHarness harness(device(), problem(301));
        for (const std::int64_t wrong : {row, std::min<std::int64_t>(row + 129, 300), std::int64_t{300}})
            put(harness, wrong, 6 + wrong);
        harness.run_forward();
        expect_told(row, [&] { backend().synchronize({}); });
    }
}

/// Whoever waits by an event of his own, or not at all, hears of it from Device::check or the next pass.
TEST_F(CudaLengthsGpu, TheNextPassTellsWhereNobodyWaited) {
    RnnHarness harness(device(), problem());
    void* const event = backend().make_event();
    put(harness, 2, -3);
    const ForwardToken token = harness.run_forward();
    backend().mark(event, {});
    backend().free_event(event);  // waits, and has nobody to tell
    expect_told(2, [&] { harness.run_backward(token); });
    put(harness, 2, 9);
    harness.run_forward();
    void* const second = backend().make_event();
    backend().mark(second, {});
    expect_told(2, [&] { backend().wait(second); });
    backend().free_event(second);
}

/// A recording looks at what the lengths are at each replay.
TEST_F(CudaLengthsGpu, ReplaysLookAnew) {
    RnnHarness harness(device(), problem());
    const DeviceStream stream(device());
    const auto step = [&] {
        harness.rnn.prepare(harness.parameters->data(), harness.prepared->data(), stream);
        const ForwardToken token = harness.rnn.forward(harness.plan, harness.forward_args, stream);
        harness.rnn.backward(harness.plan, token, harness.backward_args, stream);
    };
    backend().synchronize({});  // what the harness has uploaded
    step();
    void* const recording = backend().record(stream, step);
    const auto replay = [&] {
        backend().replay(recording, stream);
        backend().synchronize(stream);
    };
    replay();
    put(harness, 0, 6, stream);
    expect_told(0, replay);
    put(harness, 0, 4, stream);
    replay();
    backend().free_recording(recording);
}

}  // namespace
}  // namespace rondo::test
