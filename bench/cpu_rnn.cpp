/// One recurrent stack on the CPU, through the low-level door: training (forward and backward, weights repacked as after
/// an update) and inference. Rows are named cell/H../I../B../T../L../D../pass/threads..; pick some with
/// --benchmark_filter. bench/compare_pytorch.py sets them beside PyTorch's.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "rondo/rnn.hpp"

namespace {

using namespace rondo;

struct Row {
    std::string cell;
    std::int64_t hidden, batch, steps, layers;
    bool bidirectional, training;
    int threads;

    std::string name() const {
        return detail::concat(cell, "/H", hidden, "/B", batch, "/T", steps, "/L", layers, "/D", bidirectional ? 2 : 1,
                              "/", training ? "training" : "inference", "/threads", threads);
    }
};

/// Memory on a multiple of 64 bytes, filled with small numbers that are no denormals.
class Memory {
public:
    explicit Memory(std::int64_t bytes)
        : data_(static_cast<float*>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64 + 64))),
                &std::free) {
        std::uint32_t state = 12345;
        for (std::int64_t i = 0; i < bytes / 4; ++i) {
            state = state * 1664525u + 1013904223u;
            data_.get()[i] = (static_cast<float>(state >> 8) / 8388608.0f - 1.0f) * 0.04f;
        }
    }
    float* get() const { return data_.get(); }

private:
    std::unique_ptr<float, decltype(&std::free)> data_;
};

void run(benchmark::State& state, const Row& row) {
    StackSpec spec;
    spec.input = row.hidden;
    LayerSpec layer;
    layer.cell = row.cell;
    layer.hidden = row.hidden;
    layer.direction = row.bidirectional ? Direction::bidirectional : Direction::forward;
    spec.layers.assign(static_cast<std::size_t>(row.layers), layer);
    Rnn rnn(Device::cpu(row.threads), spec);
    const Plan plan =
        rnn.plan({row.steps, row.batch, row.training ? Mode::training : Mode::inference, false, row.training});

    const Shape x_shape{row.steps, row.batch, spec.input}, y_shape{row.steps, row.batch, spec.output()};
    const Memory parameters(plan.parameter_count * 4), dparameters(plan.parameter_count * 4);
    const Memory prepared(plan.prepared_bytes), reserve(plan.reserve_bytes), workspace(plan.workspace_bytes);
    const Memory x(x_shape.size() * 4), y(y_shape.size() * 4), dx(x_shape.size() * 4), dy(y_shape.size() * 4);

    ForwardArgs forward;
    forward.parameters = parameters.get();
    forward.prepared = prepared.get();
    forward.x = {x.get(), DType::f32, x_shape};
    forward.y = {y.get(), DType::f32, y_shape};
    forward.reserve = reserve.get();
    forward.workspace = workspace.get();
    BackwardArgs backward;
    backward.parameters = parameters.get();
    backward.prepared = prepared.get();
    backward.x = forward.x;
    backward.dy = {dy.get(), DType::f32, y_shape};
    backward.dx = {dx.get(), DType::f32, x_shape};
    backward.dparameters = dparameters.get();
    backward.reserve = reserve.get();
    backward.workspace = workspace.get();

    rnn.prepare(parameters.get(), prepared.get(), Stream{});
    for (auto _ : state) {
        if (row.training) rnn.prepare(parameters.get(), prepared.get(), Stream{});
        const ForwardToken token = rnn.forward(plan, forward, Stream{});
        if (row.training) rnn.backward(plan, token, backward, Stream{});
        benchmark::ClobberMemory();
    }
    state.counters["us_a_step"] =
        benchmark::Counter(static_cast<double>(row.steps) * 1e-6,
                           benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
    for (const char* cell : {"lstm", "gru", "rnn_tanh"})
        for (std::int64_t hidden : {64, 128, 256, 512, 1024})
            for (std::int64_t batch : {1, 8, 16, 32, 64})
                for (std::int64_t layers : {1, 2})
                    for (bool bidirectional : {false, true})
                        for (bool training : {true, false})
                            for (int threads : {1, 2}) {
                                const Row row{cell, hidden, batch, 64, layers, bidirectional, training, threads};
                                benchmark::RegisterBenchmark(row.name().c_str(),
                                                             [row](benchmark::State& s) { run(s, row); })
                                    ->UseRealTime()
                                    ->Unit(benchmark::kMicrosecond);
                            }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
