#pragma once
/// A file that appears whole or not at all.
#include <cstddef>
#include <string>

namespace rondo::files {

/// Writes to a temporary file beside the target; commit() forces it to the disk and renames it. Without commit, the
/// destructor removes it. Every function throws Error (io) naming the target.
class AtomicFile {
public:
    /// Refuses a target that exists and is no regular file: renaming would replace a device or a folder. A symbolic
    /// link is followed, so that it keeps pointing at what it named.
    explicit AtomicFile(const std::string& path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* data, std::size_t size);
    void commit();

private:
    [[noreturn]] void fail(const char* action) const;

    std::string path_, temporary_;
    int file_ = -1;
};

}  // namespace rondo::files
