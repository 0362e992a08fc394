#pragma once
/// The place of a call in a kernel's source, for the lane's reports.

namespace rondo::device {

struct Where {
    const char* file = "";
    int line = 0;

    /// As a default argument: the line of the call.
    static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
    constexpr bool operator==(const Where& other) const { return file == other.file && line == other.line; }
};

}  // namespace rondo::device
