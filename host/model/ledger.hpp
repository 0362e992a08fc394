#pragma once
/// Books the buffers of one planned extent by name before anything runs.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rondo::model {

inline constexpr std::int64_t kNoBuffer = -1;

/// What is booked lies in one arena, each buffer on a multiple of 64 bytes; the workspace, dead after every node, lies
/// at its end and is as large as the most demanding node.
class Ledger {
public:
    enum class Kind { input, value, gradient, reserve };

    struct Entry {
        Kind kind;
        std::string name;
        std::int64_t offset, bytes;
    };

    /// The buffer's place in the arena.
    std::int64_t book(Kind kind, std::string name, std::int64_t bytes) {
        const std::int64_t offset = end_;
        entries_.push_back({kind, std::move(name), offset, bytes});
        end_ = align(offset + bytes);
        return offset;
    }
    void need_workspace(std::int64_t bytes) { workspace_ = std::max(workspace_, align(bytes)); }

    std::int64_t workspace_offset() const noexcept { return end_; }
    std::int64_t workspace_bytes() const noexcept { return workspace_; }
    std::int64_t bytes() const noexcept { return end_ + workspace_; }
    const std::vector<Entry>& entries() const noexcept { return entries_; }

    static std::string_view name_of(Kind kind) noexcept {
        switch (kind) {
            case Kind::input:
                return "input";
            case Kind::value:
                return "value";
            case Kind::gradient:
                return "gradient";
            case Kind::reserve:
                return "reserve";
        }
        return "?";
    }

private:
    static std::int64_t align(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

    std::vector<Entry> entries_;
    std::int64_t end_ = 0, workspace_ = 0;
};

}  // namespace rondo::model
