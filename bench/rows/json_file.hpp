#pragma once
/// Files that are rewritten while they grow.
#include <nlohmann/json.hpp>
#include <string>

namespace rondo::bench {

/// Replaces the file at once, so that a reader, or what is left of a run that was killed, is never half a file.
void write_json(const std::string& path, const nlohmann::ordered_json& json);

}  // namespace rondo::bench
