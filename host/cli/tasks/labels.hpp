#pragma once
/// Labels as numbers.
#include <set>
#include <string>
#include <vector>

#include "cli/tasks/task.hpp"

namespace rondo::cli {

/// Names and their numbers, in order of the names.
class Labels {
public:
    Labels() = default;
    explicit Labels(const std::set<std::string>& names) : names_(names.begin(), names.end()) {}
    /// "labels" as a JSON list; the constructor is the inverse and throws Error on anything else.
    explicit Labels(const Metadata& metadata);
    void save(Metadata& metadata) const;

    std::int64_t size() const { return static_cast<std::int64_t>(names_.size()); }
    const std::string& name(std::int32_t label) const { return names_.at(static_cast<std::size_t>(label)); }
    /// -1 where there is none of that name.
    std::int32_t find(const std::string& name) const;
    /// Throws Error where there is none of that name.
    std::int32_t number(const std::string& name) const;

private:
    std::vector<std::string> names_;
};

}  // namespace rondo::cli
