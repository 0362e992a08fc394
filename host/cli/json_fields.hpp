#pragma once
/// JSON that is trusted as little as any other input: keys, types and ranges are checked by name.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace rondo::cli {

/// Parses a file or text. Throws Error on what is no JSON, with line and column, and on a key that occurs twice.
nlohmann::json parse_json(const std::string& text, const std::string& source);

// Each throws Error naming the field when the value is of another type or not finite.
void set_field(const std::string& name, const nlohmann::json& value, std::string& field);
void set_field(const std::string& name, const nlohmann::json& value, std::int64_t& field);
void set_field(const std::string& name, const nlohmann::json& value, double& field);
void set_field(const std::string& name, const nlohmann::json& value, bool& field);
void set_field(const std::string& name, const nlohmann::json& value, std::optional<double>& field);  ///< null: none
void set_field(const std::string& name, const nlohmann::json& value, nlohmann::json& field);

/// The text of a flag as the JSON value a field of that type expects; what does not fit stays text, for set_field to
/// refuse.
nlohmann::json flag_value(const std::string& text, const std::string&);
nlohmann::json flag_value(const std::string& text, const std::int64_t&);
nlohmann::json flag_value(const std::string& text, const double&);
nlohmann::json flag_value(const std::string& text, const bool&);
nlohmann::json flag_value(const std::string& text, const std::optional<double>&);
nlohmann::json flag_value(const std::string& text, const nlohmann::json&);

}  // namespace rondo::cli
