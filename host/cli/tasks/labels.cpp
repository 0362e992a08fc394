#include "cli/tasks/labels.hpp"

#include <algorithm>

#include "cli/json_fields.hpp"

namespace rondo::cli {

Labels::Labels(const Metadata& metadata) {
    const nlohmann::json list = parse_json(metadata_entry(metadata, "labels"), "labels");
    require(list.is_array(), "labels", list.type_name(), "must be a list");
    for (const nlohmann::json& name : list) {
        require(name.is_string(), "labels", name.type_name(), "must hold names");
        names_.push_back(name.get<std::string>());
    }
}

void Labels::save(Metadata& metadata) const { metadata["labels"] = nlohmann::json(names_).dump(); }

std::int32_t Labels::find(const std::string& name) const {
    const auto at = std::lower_bound(names_.begin(), names_.end(), name);
    return at != names_.end() && *at == name ? static_cast<std::int32_t>(at - names_.begin()) : -1;
}

std::int32_t Labels::number(const std::string& name) const {
    const std::int32_t label = find(name);
    if (label < 0) refuse("label", name, "does not occur in the training data");
    return label;
}

}  // namespace rondo::cli
