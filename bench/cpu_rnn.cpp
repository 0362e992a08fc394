/// One recurrent stack on the CPU, through the low-level door: training (forward and backward, weights repacked as after
/// an update) and inference. Rows are named cell/H../B../T../L../D../pass/threads..; pick some with --benchmark_filter.
/// Where oneDNN is installed, its RNN primitive has rows "onednn/" + the same for what it can do; each is compared with
/// Rondo's y and gradients before it is timed. bench/compare_pytorch.py and bench/compare_onednn.py set them beside
/// each other.
#include <benchmark/benchmark.h>

#include "cpu/rondo_stack.hpp"
#ifdef RONDO_HAVE_ONEDNN
#include "cpu/onednn_stack.hpp"
#endif

namespace {

using namespace rondo;
using namespace rondo::bench;

template <class Stack>
void time(benchmark::State& state, const CpuRow& row, Stack& stack) {
    for (auto _ : state) {
        stack.run();
        benchmark::ClobberMemory();
    }
    state.counters["us_a_step"] =
        benchmark::Counter(static_cast<double>(row.steps) * 1e-6,
                           benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void run_rondo(benchmark::State& state, const CpuRow& row) {
    RondoStack stack(row);
    time(state, row, stack);
}

#ifdef RONDO_HAVE_ONEDNN
void run_onednn(benchmark::State& state, const CpuRow& row) {
    try {
        RondoStack rondo(row);
        OnednnStack stack(row, rondo);
        rondo.run();
        stack.run();
        if (const std::string difference = stack.difference(rondo); !difference.empty())
            state.SkipWithError(difference.c_str());
        else
            time(state, row, stack);
    } catch (const std::exception& error) {
        state.SkipWithError(error.what());
    }
}
#endif

void add(const std::string& name, const CpuRow& row, void (*run)(benchmark::State&, const CpuRow&)) {
    benchmark::RegisterBenchmark(name.c_str(), [row, run](benchmark::State& state) { run(state, row); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
}

void add_row(const CpuRow& row) {
    add(row.name(), row, run_rondo);
#ifdef RONDO_HAVE_ONEDNN
    if (row.cell != "rnn_tanh" && row.layers == 1 && !row.bidirectional) add("onednn/" + row.name(), row, run_onednn);
#endif
}

}  // namespace

int main(int argc, char** argv) {
    for (const char* cell : {"lstm", "gru", "rnn_tanh"})
        for (std::int64_t hidden : {64, 128, 256, 512, 1024})
            for (std::int64_t batch : {1, 8, 16, 32, 64})
                for (std::int64_t layers : {1, 2})
                    for (bool bidirectional : {false, true})
                        for (bool training : {true, false})
                            for (int threads : {1, 2})
                                add_row({cell, hidden, batch, 64, layers, bidirectional, training, threads});
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
