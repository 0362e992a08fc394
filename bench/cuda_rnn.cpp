/// Rondo on a GPU beside cuDNN's RNN, called directly: every algorithm of cuDNN's that takes a row, eager and in a graph.
///
///     bench_cuda_rnn --grid short --seconds 300 --output results.json
///     bench_cuda_rnn --parity 5000 --seconds 120 --output parity.json
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "gpu/machine.hpp"
#include "gpu/measure.hpp"
#include "gpu/parity.hpp"
#include "rows/flags.hpp"
#include "scheduler/backend.hpp"

namespace {

using namespace rondo;
using namespace rondo::bench;

void print(const RowResult& result) {
    const std::string name = result.row.name();
    const Contestant *rondo = fastest(result.rondo), *cudnn = fastest(result.cudnn);
    if (result.complete())
        std::printf("%-52s %10.1f us %-26s %10.1f us %-30s %6.2f\n", name.c_str(), rondo->us.median,
                    rondo->name.c_str(), cudnn->us.median, cudnn->name.c_str(), cudnn->us.median / rondo->us.median);
    else if (rondo && result.cudnn.empty())
        std::printf("%-52s %10.1f us %-26s\n", name.c_str(), rondo->us.median, rondo->name.c_str());
    else
        std::printf("%-52s %s\n", name.c_str(),
                    !result.error.empty() ? result.error.c_str()
                    : rondo               ? "no algorithm of cuDNN's took it"
                                          : result.rondo.front().error.c_str());
    std::fflush(stdout);
}

/// 1 where a row that was begun has no ratio: the file says why.
int run(const Flags& flags) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
    const Device device = Device::cuda(flags.device);
    const DeviceStream stream(device);
    const CudnnHandle handle;
    check(cudnnSetStream(handle, static_cast<cudaStream_t>(Stream(stream).handle)), "cudnnSetStream");
    nlohmann::ordered_json on = machine(flags.device, flags.commit);
    on["cudnn"] = cudnnGetVersion();
    on["cudnn_headers"] = CUDNN_VERSION;
    if (flags.parity > 0) return parity(device, stream, handle, flags, on);

    std::vector<RowResult> results;
    bool all = true;
    for (const Row& row : flags.rows) {
        if (passed() >= flags.seconds) break;
        const double share = (flags.seconds - passed()) / static_cast<double>(flags.rows.size() - results.size());
        results.push_back(
            measure(device, stream, handle, row, std::min(share / 2, 3.0), on, flags.alone));  // the rest is setting up
        all = all && (flags.alone ? fastest(results.back().rondo) != nullptr : results.back().complete());
        print(results.back());
        if (!flags.output.empty()) write_json(flags.output, result_file(on, flags.rows.size(), results));
    }
    std::printf("%zu of %zu rows in %.0f s\n", results.size(), flags.rows.size(), passed());
    return all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const Flags flags = parse_flags(std::vector<std::string>(argv + 1, argv + argc));
        if (flags.help) {
            std::printf("bench_cuda_rnn [FLAGS]\n%s", kFlagsHelp);
            return 0;
        }
        if (flags.list) {
            for (const Row& row : flags.rows) std::printf("%s%s\n", row.name().c_str(), row.dynamic ? " +DYNAMIC" : "");
            return 0;
        }
        return run(flags);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_cuda_rnn: %s\n", error.what());
        return 2;
    }
}
