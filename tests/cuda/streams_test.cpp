/// Order, repetition and capture: clips inside the recurrence, the same bits every time, several streams, CUDA graphs.
#include <cuda_runtime_api.h>

#include "cuda/on_gpu.hpp"
#include "cuda/stream.hpp"
#include "device/check.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

using device::check;

class CudaStreamsGpu : public GpuTest {};

/// The clip is no derivative of anything: the CPU, which is tested step by step, says what is right.
TEST_F(CudaStreamsGpu, ClipsInsideTheRecurrenceAsTheCpuDoes) {
    const Device cpu = Device::cpu(1);
    Worst worst;
    int n = 0;
    for (const Case& c : single_layer_cases()) {
        if (++n % 6 != 0) continue;
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
            for (LayerSpec& layer : p.spec.layers) {
                layer.dropout = 0;
                layer.dropout_per_sequence = false;
            }
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
        std::vector<std::unique_ptr<cuda::OwnedStream>> streams;
        std::vector<std::vector<std::byte>> alone;
        for (std::size_t k = i; k < i + 3; ++k) {
            harnesses.push_back(std::make_unique<RnnHarness>(device(), make_problem(cases[k], Precision::bf16())));
            streams.push_back(std::make_unique<cuda::OwnedStream>(0));
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
            const cuda::OwnedStream stream(0);
            const std::int64_t count = harness.plan.parameter_count;
            const UpdateScalars scalars{0.05, 1, 1, 1, 0};
            Guarded on_device(device(), DType::i64, sizeof scalars / 8, Alignment::cache_line);
            backend().upload(on_device.data(), &scalars, sizeof scalars, stream);
            Tensor parameters = harness.parameters->get();
            for (double& v : parameters)
                if (std::isnan(v)) v = 0;  // between the tensors, which an update walks over
            Update update;
            update.count = count;
            update.parameters = harness.parameters->data();
            update.gradients = harness.dparameters->data();
            update.scalars = static_cast<const UpdateScalars*>(on_device.data());
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

            cudaGraph_t graph = nullptr;
            cudaGraphExec_t executable = nullptr;
            check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal), "begin");
            step();
            check(cudaStreamEndCapture(stream.handle(), &graph), "end");
            check(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
            EXPECT_EQ(three_steps([&] { check(cudaGraphLaunch(executable, stream.handle()), "launch"); }), expected)
                << c.name;
            check(cudaGraphExecDestroy(executable), "destroy");
            check(cudaGraphDestroy(graph), "destroy");
        }
}

TEST_F(CudaStreamsGpu, AnUnknownStreamIsNotCaptured) {
    const Case c = single_layer_cases()[0];
    RnnHarness harness(device(), make_problem(c));
    harness.run();  // on another stream
    const cuda::OwnedStream stream(0);
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeRelaxed), "begin");
    try {
        run_on_stream(harness, stream);
        ADD_FAILURE() << "a workspace was allocated while capturing";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state) << error.what();
    }
    check(cudaStreamEndCapture(stream.handle(), &graph), "end");
    check(cudaGraphDestroy(graph), "destroy");
    harness.run();
}

}  // namespace
}  // namespace rondo::test
