#include "gpu/machine.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <sstream>

#include "device/check.hpp"

namespace rondo::bench {
namespace {

using Json = nlohmann::ordered_json;
using device::check;

std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    std::array<char, 256> piece{};
    while (pipe && std::fgets(piece.data(), piece.size(), pipe.get())) text += piece.data();
    return text.substr(0, text.find('\n'));
}

/// What the driver's own program says of the GPU on that bus.
void add_settings(Json& json, const std::string& bus) {
    const std::array<const char*, 8> fields{"driver_version", "clocks.sm",   "clocks.mem",      "clocks.max.sm",
                                            "clocks.max.mem", "power.limit", "temperature.gpu", "persistence_mode"};
    std::string query;
    for (const char* field : fields) query += (query.empty() ? "" : ",") + std::string(field);
    std::istringstream line(
        output_of("nvidia-smi --id=" + bus + " --query-gpu=" + query + " --format=csv,noheader 2>/dev/null"));
    std::string value;
    for (const char* field : fields)
        json[field] = std::getline(line >> std::ws, value, ',') ? Json(value) : Json(nullptr);
}

std::string now() {
    const std::time_t seconds = std::time(nullptr);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&seconds));
    return text.data();
}

std::string version(int packed) { return std::to_string(packed / 1000) + "." + std::to_string(packed % 1000 / 10); }

}  // namespace

Json machine(int device, const std::string& commit) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    std::array<char, 32> bus{};
    check(cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device), "cudaDeviceGetPCIBusId");
    int driver = 0;
    check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
    int clock_khz = 0, memory_clock_khz = 0, bus_bits = 0;
    check(cudaDeviceGetAttribute(&clock_khz, cudaDevAttrClockRate, device), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&memory_clock_khz, cudaDevAttrMemoryClockRate, device), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&bus_bits, cudaDevAttrGlobalMemoryBusWidth, device), "cudaDeviceGetAttribute");
    Json json{{"gpu", properties.name},
              {"capability", std::to_string(properties.major) + "." + std::to_string(properties.minor)},
              {"multiprocessors", properties.multiProcessorCount},
              {"memory_bytes", properties.totalGlobalMem},
              {"l2_bytes", properties.l2CacheSize},
              {"clock_hz", 1e3 * clock_khz},
              {"bytes_per_second", 1e3 * memory_clock_khz * 2 * bus_bits / 8}};  // two transfers a clock
    add_settings(json, bus.data());
    json["driver_cuda"] = version(driver);
    json["toolkit"] = version(CUDART_VERSION);
    json["commit"] = commit;
    json["date"] = now();
    return json;
}

}  // namespace rondo::bench
