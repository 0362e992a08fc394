#include "gpu/parity.hpp"

#include <chrono>
#include <cstdio>

#include "gpu/agreement.hpp"

namespace rondo::bench {

int parity(const Device& device, Stream stream, const CudnnHandle& handle, const Flags& flags,
           const nlohmann::ordered_json& machine) {
    using Json = nlohmann::ordered_json;
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(flags.seconds);
    const std::vector<cudnnRNNAlgo_t> algorithms{CUDNN_RNN_ALGO_STANDARD, CUDNN_RNN_ALGO_PERSIST_STATIC,
                                                 CUDNN_RNN_ALGO_PERSIST_STATIC_SMALL_H};
    Json failed = Json::array(), worst = Json::object();
    std::size_t run = 0, compared = 0;
    const auto write = [&] {
        const Json summary{{"planned", flags.rows.size()},
                           {"run", run},
                           {"compared", compared},
                           {"refused_by_cudnn", run - compared - failed.size()},
                           {"failed", failed.size()}};
        if (!flags.output.empty())
            write_json(flags.output, {{"benchmark", "parity with cuDNN"},
                                      {"machine", machine},
                                      {"summary", summary},
                                      {"failed", failed},
                                      {"worst", worst}});
        return summary;
    };
    for (const Row& row : flags.rows) {
        if (Clock::now() >= end) break;
        ++run;
        Agreement agreed;
        try {
            agreed = agreement(device, stream, handle, row, algorithms);
        } catch (const std::exception& error) {
            agreed.refusal = error.what();
        }
        if (!agreed.refusal.empty()) {
            failed.push_back({{"row", row.name()}, {"why", agreed.refusal}, {"errors", agreed.json}});
            std::printf("%s: %s\n", row.name().c_str(), agreed.refusal.c_str());
        } else if (agreed.compared) {
            ++compared;
            for (const auto& [what, error] : agreed.json["rondo"].items()) {
                Json& largest = worst[row.dtype][what];
                if (largest.is_null() || error.get<double>() > largest.get<double>()) largest = error;
            }
        }
        if (run % 100 == 0) write();
    }
    std::printf("parity: %s\n", write().dump().c_str());
    return failed.empty() && compared > 0 ? 0 : 1;
}

}  // namespace rondo::bench
