#include "gpu/measure.hpp"

#include <algorithm>
#include <list>

#include "gpu/agreement.hpp"
#include "gpu/race.hpp"

namespace rondo::bench {
namespace {

std::vector<cudnnRNNAlgo_t> algorithms_for(const Row& row) {
    std::vector<cudnnRNNAlgo_t> list{CUDNN_RNN_ALGO_STANDARD, CUDNN_RNN_ALGO_PERSIST_STATIC,
                                     CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H};
    if (row.dynamic) list.push_back(CUDNN_RNN_ALGO_PERSIST_DYNAMIC);
    return list;
}

void measure_into(RowResult& result, const Device& device, Stream stream, const CudnnHandle& handle, double seconds) {
    const std::vector<cudnnRNNAlgo_t> algorithms = algorithms_for(result.row);
    Row small = result.row;
    small.steps = std::min<std::int64_t>(small.steps, 6);
    small.batch = std::min<std::int64_t>(small.batch, 8);
    const Agreement agreed = agreement(device, stream, handle, small, algorithms);
    result.agreement = agreed.json;
    result.error = agreed.refusal;
    if (!result.error.empty()) return;

    const Problem problem(result.row);
    RondoSide rondo(device, stream, problem, problem.stack.precision);
    result.rondo_memory = rondo.memory();
    std::vector<Entry> entries{{rondo.algorithm(), [&] { rondo.run(); }}};
    std::list<CudnnSide> sides;
    std::vector<Contestant> refused;
    for (cudnnRNNAlgo_t algorithm : algorithms) {
        try {
            CudnnSide& side = sides.emplace_back(device, handle, algorithm, problem, rondo.plan(), rondo.device_x(),
                                                 rondo.device_dy());
            entries.push_back({name_of(algorithm), [&side] { side.run(); }});
            if (side.memory().total() > result.cudnn_memory.total()) result.cudnn_memory = side.memory();
        } catch (const Error& error) {
            refused.push_back({name_of(algorithm), {}, error.what()});
        }
    }
    std::vector<Contestant> all = race(device.backend(), stream, entries, seconds);
    result.rondo.assign(all.begin(), all.begin() + 2);
    result.cudnn.assign(all.begin() + 2, all.end());
    result.cudnn.insert(result.cudnn.end(), refused.begin(), refused.end());
}

}  // namespace

RowResult measure(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row, double seconds) {
    RowResult result;
    result.row = row;
    try {
        measure_into(result, device, stream, handle, seconds);
    } catch (const std::exception& error) {
        result.error = error.what();
    }
    return result;
}

}  // namespace rondo::bench
