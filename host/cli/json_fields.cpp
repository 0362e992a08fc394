#include "cli/json_fields.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "rondo/error.hpp"

namespace rondo::cli {
namespace {

using Json = nlohmann::json;

std::string shown(const Json& value) {
    std::string text =
        value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > 60 ? text.substr(0, 60) + "..." : text;
}

std::string place(const std::string& text, std::size_t byte) {
    const std::size_t end = std::min(byte > 0 ? byte - 1 : 0, text.size());
    const auto lines = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), '\n');
    const std::size_t newline = text.rfind('\n', end > 0 ? end - 1 : 0);
    const std::size_t column = end - (lines > 0 && newline != std::string::npos ? newline + 1 : 0) + 1;
    return "line " + std::to_string(lines + 1) + ", column " + std::to_string(column);
}

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
    // The parser keeps the last of two equal keys without a word.
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::object_start) keys.emplace_back();
        if (event == Json::parse_event_t::object_end) keys.pop_back();
        if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
            refuse("config", source, "the key " + shown(parsed) + " occurs twice");
        return true;
    };
    try {
        return Json::parse(text, watch);
    } catch (const Json::parse_error& error) {
        refuse("config", source, "must be valid JSON, which has no NaN or infinity (" + place(text, error.byte) + ")");
    } catch (const Json::out_of_range&) {
        refuse("config", source, "holds a number that is too large");
    }
}

void set_field(const std::string& name, const Json& value, std::string& field) {
    require(value.is_string(), name, shown(value), "must be a string");
    field = value.get<std::string>();
}

void set_field(const std::string& name, const Json& value, std::int64_t& field) {
    const bool fits =
        value.is_number_integer() &&
        !(value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
    require(fits, name, shown(value), "must be a whole number");
    field = value.get<std::int64_t>();
}

void set_field(const std::string& name, const Json& value, double& field) {
    require(value.is_number() && std::isfinite(value.get<double>()), name, shown(value), "must be a finite number");
    field = value.get<double>();
}

void set_field(const std::string& name, const Json& value, bool& field) {
    require(value.is_boolean(), name, shown(value), "must be true or false");
    field = value.get<bool>();
}

void set_field(const std::string& name, const Json& value, std::optional<double>& field) {
    field.reset();
    if (!value.is_null()) set_field(name, value, field.emplace());
}

void set_field(const std::string& name, const Json& value, Json& field) {
    require(value.is_number_integer() || value.is_array(), name, shown(value), "must be a whole number or a list");
    field = value;
}

Json flag_value(const std::string& text, const std::string&) { return text; }

Json flag_value(const std::string& text, const std::int64_t&) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? Json(number) : Json(text);
}

Json flag_value(const std::string& text, const double&) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size() && std::isfinite(number);
    return whole ? Json(number) : Json(text);
}

Json flag_value(const std::string& text, const bool&) {
    if (text.empty() || text == "true") return true;
    if (text == "false") return false;
    return text;
}

Json flag_value(const std::string& text, const std::optional<double>&) {
    return text == "none" ? Json() : flag_value(text, double{});
}

Json flag_value(const std::string& text, const Json&) {
    if (text.starts_with('[')) return parse_json(text, "--layers");
    return flag_value(text, std::int64_t{});
}

}  // namespace rondo::cli
