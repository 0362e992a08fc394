#pragma once
/// What results were measured on.
#include <nlohmann/json.hpp>
#include <string>

namespace rondo::bench {

/// GPU, memory, L2, highest clock and rate of memory, driver, clocks as nvidia-smi tells them (which must be found for
/// the last two), toolkit, commit, date.
nlohmann::ordered_json machine(int device, const std::string& commit);

}  // namespace rondo::bench
