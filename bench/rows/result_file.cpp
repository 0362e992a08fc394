#include "rows/result_file.hpp"

#include <algorithm>

namespace rondo::bench {
namespace {

using Json = nlohmann::ordered_json;

const char* const kMethod =
    "CUDA events around bursts of calls; all contestants in turns, round after round; medians over the rounds. Random "
    "data; calls follow one another, so that L2 holds what the one before left there. Each side is its fastest "
    "contestant. Training is forward, backward data and backward weights, gradients of the weights added to what is "
    "there; Rondo's also casts and packs its f32 weights each time, cuDNN's are of the row's type already. Rondo's "
    "parts "
    "are timed by themselves; their bound is what products at the type's dense peak and one pass over all bytes would "
    "take at the highest clocks, no dependence of a step on the one before counted. Peak: by how much the device's "
    "free "
    "memory fell.";

Json contestant_json(const Contestant& contestant) {
    if (!contestant.error.empty()) return {{"name", contestant.name}, {"error", contestant.error}};
    return {{"name", contestant.name},
            {"us", contestant.us.median},
            {"spread", contestant.us.spread},
            {"samples", contestant.us.samples}};
}

Json memory_json(const MemoryUse& memory) {
    return {{"parameters", memory.parameters},
            {"workspace", memory.workspace},
            {"reserve", memory.reserve},
            {"total", memory.total()},
            {"peak", memory.peak}};
}

Json part_json(const PartResult& part) {
    if (!part.error.empty()) return {{"name", part.name}, {"error", part.error}};
    Json json{{"name", part.name},           {"us", part.us.median},     {"spread", part.us.spread},
              {"algorithm", part.algorithm}, {"flops", part.work.flops}, {"bytes", part.work.bytes}};
    json["bound_us"] = part.bound_us ? Json(*part.bound_us) : Json(nullptr);
    json["ratio"] = part.bound_us ? Json(*part.bound_us / part.us.median) : Json(nullptr);
    return json;
}

Json summary_json(std::size_t planned, const std::vector<RowResult>& results) {
    std::vector<double> ratios;
    for (const RowResult& result : results)
        if (result.complete()) ratios.push_back(row_json(result)["ratio"].get<double>());
    Json summary{{"planned", planned}, {"rows", ratios.size()}};
    if (ratios.empty()) return summary;
    summary["geometric_mean"] = geometric_mean(ratios);
    summary["minimum"] = *std::min_element(ratios.begin(), ratios.end());
    summary["below_one"] = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio < 1; });
    return summary;
}

}  // namespace

bool RowResult::complete() const { return error.empty() && fastest(rondo) && fastest(cudnn); }

const Contestant* fastest(const std::vector<Contestant>& contestants) {
    const Contestant* best = nullptr;
    for (const Contestant& contestant : contestants)
        if (contestant.error.empty() && contestant.us.samples > 0 && (!best || contestant.us.median < best->us.median))
            best = &contestant;
    return best;
}

Json row_json(const RowResult& result) {
    const Contestant *rondo = fastest(result.rondo), *cudnn = fastest(result.cudnn);
    require(rondo && cudnn, "row", result.row.name(), "has no time of both sides");
    const Row& row = result.row;
    return {{"cell", row.cell},
            {"dtype", row.dtype},
            {"hidden", row.hidden},
            {"input", row.input},
            {"batch", row.batch},
            {"steps", row.steps},
            {"layers", row.layers},
            {"directions", row.directions},
            {"ragged", row.ragged},
            {"pass", row.pass()},
            {"rondo_us", rondo->us.median},
            {"rondo_algorithm", rondo->name},
            {"cudnn_us", cudnn->us.median},
            {"cudnn_algorithm", cudnn->name},
            {"ratio", cudnn->us.median / rondo->us.median},
            {"spread", std::max(rondo->us.spread, cudnn->us.spread)}};
}

Json details_json(const RowResult& result) {
    Json json{{"row", result.row.name()}};
    if (!result.error.empty()) json["error"] = result.error;
    json["rondo"] = Json::array();
    for (const Contestant& contestant : result.rondo) json["rondo"].push_back(contestant_json(contestant));
    json["cudnn"] = Json::array();
    for (const Contestant& contestant : result.cudnn) json["cudnn"].push_back(contestant_json(contestant));
    json["parts"] = Json::array();
    for (const PartResult& part : result.parts) json["parts"].push_back(part_json(part));
    json["rondo_bytes"] = memory_json(result.rondo_memory);
    json["cudnn_bytes"] = memory_json(result.cudnn_memory);
    json["agreement"] = result.agreement;
    return json;
}

Json result_file(const Json& machine, std::size_t planned, const std::vector<RowResult>& results) {
    Json rows = Json::array(), incomplete = Json::array(), details = Json::array();
    for (const RowResult& result : results) {
        if (result.complete())
            rows.push_back(row_json(result));
        else
            incomplete.push_back(result.row.name());
        details.push_back(details_json(result));
    }
    return {{"benchmark", "cuda_rnn against cuDNN"},
            {"machine", machine},
            {"method", kMethod},
            {"summary", summary_json(planned, results)},
            {"rows", rows},
            {"incomplete", incomplete},
            {"details", details}};
}

}  // namespace rondo::bench
