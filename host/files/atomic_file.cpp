#include "files/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <rondo/error.hpp>

namespace rondo::files {
namespace {

namespace fs = std::filesystem;

/// The permissions a newly created file gets here: mkstemp's are for its owner alone.
mode_t default_permissions() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

void synchronize_folder(const std::string& path) {
    const fs::path folder = fs::path(path).parent_path();
    const int handle = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0) return;  // a folder that may be written but not read: the rename itself stands
    ::fsync(handle);
    ::close(handle);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::exists(status) && !fs::is_regular_file(status))
        throw Error(ErrorCode::io, "file = " + path + ": must be a regular file or not exist yet");
    if (fs::exists(status) && fs::is_symlink(fs::symlink_status(path, error)))
        path_ = fs::canonical(path, error).string();
    if (path_.empty()) throw Error(ErrorCode::io, "file = \"\": must be named");
    temporary_ = path_ + ".tmp-XXXXXX";
    file_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
    if (file_ < 0) {
        temporary_.clear();
        fail("cannot be written");
    }
    ::fchmod(file_, default_permissions());
}

AtomicFile::~AtomicFile() {
    if (file_ >= 0) ::close(file_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t size) {
    const auto* p = static_cast<const char*>(data);
    while (size > 0) {
        // Linux writes at most about 2 GiB at a time.
        const ssize_t done = ::write(file_, p, std::min<std::size_t>(size, std::size_t{1} << 30));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) fail("cannot be written");
        p += done;
        size -= static_cast<std::size_t>(done);
    }
}

void AtomicFile::commit() {
    if (::fsync(file_) != 0) fail("cannot be forced to the disk");
    const int closed = ::close(file_);
    file_ = -1;
    if (closed != 0) fail("cannot be closed");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be renamed to");
    temporary_.clear();
    synchronize_folder(path_);
}

void AtomicFile::fail(const char* action) const {
    throw Error(ErrorCode::io, "file = " + path_ + ": " + action + " (" + std::strerror(errno) + ")");
}

}  // namespace rondo::files
