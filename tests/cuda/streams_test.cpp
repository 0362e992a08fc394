/// Order, repetition and capture: clips inside the recurrence, the same bits every time, several streams, CUDA graphs.
#include <numeric>
#include <set>

#include "cuda/on_gpu.hpp"
#include "rondo/device.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

class CudaStreamsGpu : public GpuTest {};

/// The clip is no derivative of anything: the CPU, which is tested step by step, says what is right.
TEST_F(CudaStreamsGpu, ClipsInsideTheRecurrenceAsTheCpuDoes) {
    const Device cpu = Device::cpu(1);
    Worst worst;
    int n = 0;
    for (const Case& c : single_layer_cases()) {
        if (++n % 6 != 0 || !has_steps(c.spec)) continue;
        Problem p = make_problem(c);
        for (const auto kind : {RecurrentClip::Kind::value, RecurrentClip::Kind::norm}) {
            p.spec.recurrent_clip = {kind, kind == RecurrentClip::Kind::value ? 0.2 : 0.6};
            const Result out = run_on(device(), p), ref = run_on(cpu, p);
            EXPECT_TRUE(agree(p, out, ref, kDouble));
            worst.take(p, out, ref, kDouble);
        }
    }
    record("clips inside the recurrence", n / 6 * 2, worst);
}

TEST_F(CudaStreamsGpu, InferenceGivesTheBitsOfTraining) {
    for (const Precision precision : {Precision::f64(), Precision::bf16()})
        for (const Case& c : stack_cases(12)) {
            Problem p = make_problem(c, precision);
            draw_nothing(p.spec);
            const Result trained = RnnHarness(device(), p).run();
            const Result inferred = RnnHarness(device(), p, Mode::inference).run();
            EXPECT_EQ(inferred.outputs.y, trained.outputs.y) << p.name;
            EXPECT_EQ(inferred.outputs.final_states, trained.outputs.final_states) << p.name;
        }
}

TEST_F(CudaStreamsGpu, TheSameBitsEveryTime) {
    for (const Precision precision : {Precision::f32(), Precision::tf32(), Precision::f16()})
        for (const Case& c : stack_cases(8)) {
            RnnHarness harness(device(), make_problem(c, precision));
            harness.run();
            const std::vector<std::byte> first = harness.bits();
            harness.poison_outputs();
            harness.run();
            EXPECT_EQ(harness.bits(), first) << c.name;
        }
}

/// Forward and backward of a harness, on a stream of the caller's.
void run_on_stream(RnnHarness& harness, Stream stream) {
    harness.rnn.prepare(harness.parameters->data(), harness.prepared->data(), stream);
    const ForwardToken token = harness.rnn.forward(harness.plan, harness.forward_args, stream);
    harness.rnn.backward(harness.plan, token, harness.backward_args, stream);
}

TEST_F(CudaStreamsGpu, StreamsDoNotDisturbEachOther) {
    const std::vector<Case> cases = stack_cases(9);
    for (std::size_t i = 0; i + 2 < cases.size(); i += 3) {
        std::vector<std::unique_ptr<RnnHarness>> harnesses;
        std::vector<std::unique_ptr<DeviceStream>> streams;
        std::vector<std::vector<std::byte>> alone;
        for (std::size_t k = i; k < i + 3; ++k) {
            harnesses.push_back(std::make_unique<RnnHarness>(device(), make_problem(cases[k], Precision::bf16())));
            streams.push_back(std::make_unique<DeviceStream>(device()));
            harnesses.back()->run();
            alone.push_back(harnesses.back()->bits());
            harnesses.back()->poison_outputs();
        }
        for (std::size_t k = 0; k < 3; ++k) run_on_stream(*harnesses[k], *streams[k]);
        for (std::size_t k = 0; k < 3; ++k) backend().synchronize(*streams[k]);
        for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(harnesses[k]->bits(), alone[k]) << cases[i + k].name;
    }
}

/// A whole step in a graph: it neither allocates nor waits, and every replay reads what then stands in memory.
TEST_F(CudaStreamsGpu, AStepIsCapturedAndReplayed) {
    for (const Precision precision : {Precision::f32(), Precision::bf16()})
        for (const Case& c : stack_cases(4)) {
            RnnHarness harness(device(), make_problem(c, precision));
            const DeviceStream stream(device());
            const std::int64_t count = harness.plan.parameter_count;
            const struct Numbers {
                UpdateScalars scalars;
                UpdateRange all;
                double factor;
            } numbers{{0.05, 1, 1, 0}, {0, count, 0, 0}, 1};
            Guarded on_device(device(), DType::i64, sizeof numbers / 8, Alignment::cache_line);
            backend().upload(on_device.data(), &numbers, sizeof numbers, stream);
            const auto* const there = static_cast<const Numbers*>(on_device.data());
            Tensor parameters = harness.parameters->get();
            for (double& v : parameters)
                if (std::isnan(v)) v = 0;  // between the tensors, which an update walks over
            Update update;
            update.count = count;
            update.parameters = harness.parameters->data();
            update.gradients = harness.dparameters->data();
            update.ranges = &there->all;
            update.range_count = 1;
            update.factors = &there->factor;
            update.scalars = &there->scalars;
            const auto step = [&] {
                run_on_stream(harness, stream);
                backend().update(update, stream);
            };
            const auto three_steps = [&](const auto& one) {
                harness.parameters->put(parameters);
                harness.poison_outputs();
                for (int i = 0; i < 3; ++i) one();
                backend().synchronize(stream);
                return harness.parameters->bytes();
            };
            const std::vector<std::byte> expected = three_steps(step);

            void* const recording = backend().record(stream, step);
            EXPECT_EQ(three_steps([&] { backend().replay(recording, stream); }), expected) << c.name;
            backend().free_recording(recording);
        }
}

/// The second direction of a layer has a stream and a workspace of its own, where nothing is added up between them.
TEST_F(CudaStreamsGpu, DirectionsHaveAStreamEach) {
    LayerSpec both, one;
    both.cell = one.cell = "gru";
    both.hidden = one.hidden = 5;
    both.direction = Direction::bidirectional;
    LayerSpec summed = both;
    summed.merge = Merge::sum;
    const auto streams = [&](const std::vector<Operation>& list, Operation::Kind kind) {
        std::vector<int> found;
        for (const Operation& op : list)
            if (op.kind == kind) found.push_back(op.stream);
        return found;
    };
    const Plan plan = Rnn(device(), {4, {both, one, summed}}).plan({6, 3});
    EXPECT_EQ(streams(plan.forward, Operation::Kind::time_loop), (std::vector{0, 1, 0, 0, 0}));
    EXPECT_EQ(streams(plan.backward, Operation::Kind::time_loop), (std::vector{0, 1, 0, 0, 1}));
    EXPECT_EQ(plan.buffer(BufferInfo::Kind::workspace, "gates_x_loop1").bytes,
              plan.buffer(BufferInfo::Kind::workspace, "gates_x").bytes);
    const Plan alone = Rnn(device(), {4, {one}}).plan({6, 3});
    EXPECT_THROW(alone.buffer(BufferInfo::Kind::workspace, "gates_x_loop1"), Error);
}

TEST_F(CudaStreamsGpu, AnUnknownStreamIsNotCaptured) {
    const Case c = single_layer_cases()[0];
    RnnHarness harness(device(), make_problem(c));
    harness.run();  // on another stream
    const DeviceStream stream(device());
    try {
        backend().record(stream, [&] { run_on_stream(harness, stream); });
        ADD_FAILURE() << "a workspace was allocated while capturing";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state) << error.what();
    }
    run_on_stream(harness, stream);  // the stream is as it was before
    backend().synchronize(stream);
}

/// Nor one that only uploaded so far: it has no workspace yet.
TEST_F(CudaStreamsGpu, AStreamOfUploadsIsNotCaptured) {
    RnnHarness harness(device(), make_problem(single_layer_cases()[0]));
    harness.run();
    const DeviceStream stream(device());
    double number = 1;
    const Guarded to(device(), DType::f64, 1, Alignment::cache_line);
    backend().upload(to.data(), &number, sizeof number, stream);
    try {
        backend().record(stream, [&] { run_on_stream(harness, stream); });
        ADD_FAILURE() << "a workspace was allocated while capturing";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state) << error.what();
    }
    run_on_stream(harness, stream);
    backend().synchronize(stream);
}

TEST_F(CudaStreamsGpu, WhatCannotBeReplayedIsRefusedWhileRecording) {
    const DeviceStream stream(device());
    double number = 1;
    const Guarded to(device(), DType::f64, 1, Alignment::cache_line);
    backend().upload(to.data(), &number, sizeof number, stream);
    try {
        backend().record(stream, [&] { backend().upload(to.data(), &number, sizeof number, stream); });
        ADD_FAILURE() << "an upload was recorded";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state) << error.what();
    }
    EXPECT_FALSE(backend().can_record({}));
    EXPECT_THROW(backend().record({}, [] {}), Error);
}

/// A stream that came first and went leaves its memory to whoever has none.
TEST_F(CudaStreamsGpu, StreamsComeAndGo) {
    auto first = std::make_unique<DeviceStream>(device());
    double number = 1;
    const Guarded to(device(), DType::f64, 1, Alignment::cache_line);
    backend().upload(to.data(), &number, sizeof number, *first);
    const DeviceStream second(device());
    const auto all_of = [&](Stream stream) {
        std::vector<void*> handles;
        for (int n = 0; n < backend().streams(); ++n) handles.push_back(backend().beside(stream, n).handle);
        return handles;
    };
    const void* const last = backend().beside(second, backend().streams() - 1).handle;
    const std::vector<void*> beside = all_of(second);
    EXPECT_EQ(beside.front(), static_cast<Stream>(second).handle);
    EXPECT_EQ(beside.back(), last);
    first.reset();
    backend().upload(to.data(), &number, sizeof number, second);
    EXPECT_EQ(all_of(second), beside);
    const DeviceStream third(device());
    const std::vector<void*> others = all_of(third);
    EXPECT_EQ(all_of(second), beside);
    std::set<void*> different(beside.begin(), beside.end());
    different.insert(others.begin(), others.end());
    EXPECT_EQ(different.size(), beside.size() + others.size());
}

/// An upload takes its bytes at once, however many there are.
TEST_F(CudaStreamsGpu, UploadsMayBeChangedAtOnce) {
    const DeviceStream stream(device());
    constexpr std::int64_t kCount = 700001;  // more than the staging holds
    const Guarded to(device(), DType::i64, kCount, Alignment::cache_line);
    std::vector<std::int64_t> numbers(kCount), back(kCount);
    std::iota(numbers.begin(), numbers.end(), 5);
    backend().upload(to.data(), numbers.data(), kCount * sizeof(std::int64_t), stream);
    std::fill(numbers.begin(), numbers.end(), -1);
    backend().download(back.data(), to.data(), kCount * sizeof(std::int64_t), stream);
    backend().synchronize(stream);
    for (std::int64_t i = 0; i < kCount; ++i) ASSERT_EQ(back[static_cast<std::size_t>(i)], i + 5);
}

}  // namespace
}  // namespace rondo::test
