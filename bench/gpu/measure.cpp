#include "gpu/measure.hpp"

#include <algorithm>
#include <list>

#include "device/check.hpp"
#include "gpu/agreement.hpp"
#include "gpu/race.hpp"

namespace rondo::bench {
namespace {

std::vector<cudnnRNNAlgo_t> algorithms_for(const Row& row, bool alone) {
    if (alone) return {};
    std::vector<cudnnRNNAlgo_t> list{CUDNN_RNN_ALGO_STANDARD, CUDNN_RNN_ALGO_PERSIST_STATIC,
                                     CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H};
    if (row.dynamic) list.push_back(CUDNN_RNN_ALGO_PERSIST_DYNAMIC);
    return list;
}

std::size_t free_bytes(const Device& device, Stream stream) {
    device.backend().synchronize(stream);
    std::size_t left = 0, all = 0;
    device::check(cudaMemGetInfo(&left, &all), "cudaMemGetInfo");
    return left;
}

/// By how much less is free than before.
std::size_t taken_since(std::size_t before, const Device& device, Stream stream) {
    const std::size_t now = free_bytes(device, stream);
    return before > now ? before - now : 0;
}

/// Rondo's parts, each by itself. Directions that run beside each other have no parts that add up to the whole.
void measure_parts(RowResult& result, const Device& device, Stream stream, RondoSide& rondo, double seconds,
                   const nlohmann::ordered_json& machine) {
    if (result.row.directions > 1) return;
    const Peaks peaks =
        peaks_of(machine.at("capability").get<std::string>(), machine.at("multiprocessors").get<int>(),
                 machine.at("clock_hz").get<double>(), machine.at("bytes_per_second").get<double>(), result.row.dtype);
    const std::vector<Part> parts = parts_of(rondo.plan());
    for (const Part& part : parts) {
        const Plan alone = only(rondo.plan(), part);
        const std::vector<Contestant> both =
            race(device.backend(), stream, {{std::string(part.name), [&] { rondo.run(alone); }}},
                 seconds / static_cast<double>(parts.size()));
        PartResult made{std::string(part.name), {}, "", work_of(rondo.plan(), part), {}, ""};
        made.bound_us = bound_us(made.work, peaks);
        if (const Contestant* best = fastest(both)) {
            made.us = best->us;
            made.algorithm = best->name;
        } else {
            made.error = both.front().error;
        }
        result.parts.push_back(made);
    }
}

void measure_into(RowResult& result, const Device& device, Stream stream, const CudnnHandle& handle, double seconds,
                  const nlohmann::ordered_json& machine, bool alone) {
    const std::vector<cudnnRNNAlgo_t> algorithms = algorithms_for(result.row, alone);
    Row small = result.row;
    small.steps = std::min<std::int64_t>(small.steps, 6);
    small.batch = std::min<std::int64_t>(small.batch, 8);
    const Agreement agreed = agreement(device, stream, handle, small, algorithms);
    result.agreement = agreed.json;
    result.error = agreed.refusal;
    if (!result.error.empty()) return;

    const Problem problem(result.row);
    std::size_t before = free_bytes(device, stream);
    RondoSide rondo(device, stream, problem, problem.stack.precision);
    rondo.run();
    result.rondo_memory = rondo.memory();
    result.rondo_memory.peak = taken_since(before, device, stream);
    std::vector<Entry> entries{{rondo.algorithm(), [&] { rondo.run(); }}};
    std::list<CudnnSide> sides;
    std::vector<Contestant> refused;
    for (cudnnRNNAlgo_t algorithm : algorithms) {
        try {
            before = free_bytes(device, stream);
            CudnnSide& side = sides.emplace_back(device, handle, algorithm, problem, rondo.plan(), rondo.device_x(),
                                                 rondo.device_dy());
            side.run();
            MemoryUse memory = side.memory();
            memory.peak = taken_since(before, device, stream) + rondo.shared_bytes();
            entries.push_back({name_of(algorithm), [&side] { side.run(); }});
            if (memory.total() > result.cudnn_memory.total()) result.cudnn_memory = memory;
        } catch (const Error& error) {
            refused.push_back({name_of(algorithm), {}, error.what()});
        }
    }
    std::vector<Contestant> all = race(device.backend(), stream, entries, seconds);
    result.rondo.assign(all.begin(), all.begin() + 2);
    result.cudnn.assign(all.begin() + 2, all.end());
    result.cudnn.insert(result.cudnn.end(), refused.begin(), refused.end());
    measure_parts(result, device, stream, rondo, seconds / 4, machine);
}

}  // namespace

RowResult measure(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row, double seconds,
                  const nlohmann::ordered_json& machine, bool alone) {
    RowResult result;
    result.row = row;
    try {
        measure_into(result, device, stream, handle, seconds, machine, alone);
    } catch (const std::exception& error) {
        result.error = error.what();
    }
    return result;
}

}  // namespace rondo::bench
