#pragma once
/// Something that may crash, or be ended by a sanitizer, run in a process of its own.
#include <functional>
#include <string>

namespace rondo::lane_test {

struct Outcome {
    bool clean = false;  ///< it returned true, and nothing was reported
    std::string output;  ///< what it and the sanitizers printed
};

Outcome run_in_child(const std::function<bool()>& body);

}  // namespace rondo::lane_test
