/// The figures of this GPU that the persistent kernels hang on, each beside what their model assumes.
///
///     bench_gpu_micro --seconds 60 --output micro.json
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "device/check.hpp"
#include "gpu/machine.hpp"
#include "micro/figure.hpp"
#include "rows/json_file.hpp"
#include "rows/numbers.hpp"

namespace {

using namespace rondo;
using namespace rondo::bench;
using Json = nlohmann::ordered_json;

const char* const kHelp =
    "bench_gpu_micro [FLAGS]\n"
    "  --seconds 120         no group of figures is begun after that\n"
    "  --output FILE         JSON, rewritten after every group\n"
    "  --steps 2000          of a kernel's loop\n"
    "  --tiny                small shapes, a few steps: to see that it runs\n"
    "  --commit TEXT         what was built, for the record\n"
    "  --device 0 --help\n";

const char* const kMethod =
    "Kernels keep the time themselves (globaltimer and the SM's clock), over a loop of steps; medians over launches, "
    "the "
    "slowest block's time counts. Before it is timed each kernel's data is looked at. No product and no gates stand in "
    "the "
    "loops but those of the mma figures.";

struct Group {
    const char* name;
    std::vector<Figure> (*measure)(const Effort&);
};

/// The most telling first.
constexpr Group kGroups[] = {{"cluster push", cluster_push},       {"word through L2", word_through_l2},
                             {"active clusters", active_clusters}, {"mma issue", mma_issue},
                             {"weights from L2", weights_from_l2}, {"graph node", graph_node}};

struct MicroFlags {
    double seconds = 120;
    std::string output, commit = "unknown";
    int device = 0, steps = 2000;
    bool tiny = false, help = false;
};

MicroFlags parse(const std::vector<std::string>& words) {
    MicroFlags flags;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& flag = words[i];
        if (flag == "--help" || flag == "--tiny") {
            (flag == "--help" ? flags.help : flags.tiny) = true;
            continue;
        }
        require(i + 1 < words.size(), "flag", flag, "is unknown, or needs a value; --help lists all");
        const std::string& word = words[++i];
        if (flag == "--seconds")
            flags.seconds = number(flag, word, 0);
        else if (flag == "--output")
            flags.output = word;
        else if (flag == "--commit")
            flags.commit = word;
        else if (flag == "--device")
            flags.device = static_cast<int>(whole(flag, word, 0));
        else if (flag == "--steps")
            flags.steps = static_cast<int>(whole(flag, word, 2));
        else
            refuse("flag", flag, "is unknown; --help lists all");
    }
    return flags;
}

Json figure_json(const Figure& figure) {
    Json json{{"of", figure.of}, {"case", figure.what}, {"unit", figure.unit}, {"assumed", figure.assumed}};
    const bool measured = figure.error.empty() && figure.value.samples > 0;
    json["value"] = measured ? Json(figure.value.median) : Json(nullptr);
    json["spread"] = measured ? Json(figure.value.spread) : Json(nullptr);
    json["samples"] = figure.value.samples;
    if (measured && figure.cycles > 0) json["cycles"] = figure.cycles;
    if (measured && figure.rate > 0) {
        json["rate"] = figure.rate;
        json["rate_unit"] = figure.rate_unit;
    }
    if (!figure.error.empty()) json["error"] = figure.error;
    return json;
}

void print(const Figure& figure) {
    std::printf("%-16s %-52s ", figure.of.c_str(), figure.what.c_str());
    if (!figure.error.empty())
        std::printf("%s\n", figure.error.c_str());
    else if (figure.value.samples == 0)
        std::printf("no time is kept here\n");
    else
        std::printf("%9.3f %s (assumed: %s)\n", figure.value.median, figure.unit.c_str(), figure.assumed.c_str());
    std::fflush(stdout);
}

class OwnStream {
public:
    OwnStream() { device::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
    ~OwnStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
    OwnStream(const OwnStream&) = delete;
    OwnStream& operator=(const OwnStream&) = delete;
    operator cudaStream_t() const { return stream_; }

private:
    cudaStream_t stream_ = nullptr;
};

/// 1 where a figure went wrong: the file says why.
int run(const MicroFlags& flags) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    device::check(cudaSetDevice(flags.device), "cudaSetDevice");
    Json file{{"benchmark", "gpu_micro"}, {"machine", machine(flags.device, flags.commit)}, {"method", kMethod}};
    const OwnStream stream;
    const Effort effort{.stream = stream,
                        .multiprocessors = file["machine"]["multiprocessors"].get<int>(),
                        .steps = flags.tiny ? 5 : flags.steps,
                        .samples = flags.tiny ? 1 : 7,
                        .tiny = flags.tiny};
    file["groups_planned"] = std::size(kGroups);
    file["groups"] = 0;
    file["figures"] = Json::array();
    bool well = true;
    for (const Group& group : kGroups) {
        if (std::chrono::duration<double>(Clock::now() - begin).count() >= flags.seconds) break;
        for (const Figure& figure : group.measure(effort)) {
            print(figure);
            file["figures"].push_back(figure_json(figure));
            well = well && figure.error.empty();
        }
        file["groups"] = file["groups"].get<int>() + 1;
        if (!flags.output.empty()) write_json(flags.output, file);
    }
    return well ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const MicroFlags flags = parse(std::vector<std::string>(argv + 1, argv + argc));
        if (flags.help) {
            std::fputs(kHelp, stdout);
            return 0;
        }
        return run(flags);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_gpu_micro: %s\n", error.what());
        return 2;
    }
}
