#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <rondo/convert.hpp>
#include <rondo/safetensors.hpp>
#include <utility>

#include "files/crc32c.hpp"
#include "files/safetensors_header.hpp"

namespace rondo {
namespace {

constexpr std::int64_t kChunk = 1 << 20;  // bytes read at a time where a tensor is not wanted whole

[[noreturn]] void fail(const std::string& path, const std::string& what) {
    throw Error(ErrorCode::io, "file = " + path + ": " + what);
}

void read_at(int file, const std::string& path, std::int64_t offset, void* to, std::int64_t bytes) {
    auto* p = static_cast<char*>(to);
    while (bytes > 0) {
        const ssize_t done = ::pread(file, p, static_cast<std::size_t>(std::min<std::int64_t>(bytes, 1 << 30)), offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) fail(path, std::string("cannot be read (") + std::strerror(errno) + ")");
        if (done == 0) fail(path, "ended while it was read");
        p += done;
        offset += done;
        bytes -= done;
    }
}

/// The checksum of the open file, or nothing where its header is not laid out as ours.
std::optional<std::string> checksum_of(int file, const std::string& path, std::string header, std::int64_t begin,
                                       std::int64_t end) {
    using namespace files;
    if (!header.starts_with(kChecksumPrefix) || header.size() < kChecksumPrefix.size() + kChecksumDigits)
        return std::nullopt;
    std::fill_n(header.begin() + kChecksumPrefix.size(), kChecksumDigits, '0');
    std::uint32_t crc = crc32c(0, header.data(), header.size());
    std::vector<char> chunk(static_cast<std::size_t>(std::min(kChunk, end - begin)));
    for (std::int64_t at = begin; at < end; at += kChunk) {
        const std::int64_t bytes = std::min(kChunk, end - at);
        read_at(file, path, at, chunk.data(), bytes);
        crc = crc32c(crc, chunk.data(), static_cast<std::size_t>(bytes));
    }
    return checksum_digits(crc);
}

}  // namespace

SafetensorsReader::SafetensorsReader(std::string path) : path_(std::move(path)) {
    // Never waits for a pipe nobody writes to.
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ < 0) fail(path_, std::string("cannot be opened (") + std::strerror(errno) + ")");
    try {
        struct stat status {};
        if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) fail(path_, "must be a regular file");
        const std::int64_t size = status.st_size;
        if (size < 8) fail(path_, "no valid safetensors file: shorter than 8 bytes");
        unsigned char prefix[8];
        read_at(file_, path_, 0, prefix, 8);
        std::uint64_t length = 0;
        for (int i = 7; i >= 0; --i) length = length << 8 | prefix[i];
        if (length > static_cast<std::uint64_t>(SafetensorsLimits::kHeaderBytes))
            fail(path_, "no valid safetensors file: header of " + std::to_string(length) + " bytes, at most 100000000");
        if (length > static_cast<std::uint64_t>(size - 8))
            fail(path_, "no valid safetensors file: header of " + std::to_string(length) + " bytes in a file of " +
                            std::to_string(size) + ": it is truncated");
        std::string header(static_cast<std::size_t>(length), '\0');
        read_at(file_, path_, 8, header.data(), static_cast<std::int64_t>(length));
        data_begin_ = 8 + static_cast<std::int64_t>(length);
        files::Header parsed = files::parse_header(header, size - data_begin_, path_);
        tensors_ = std::move(parsed.tensors);
        metadata_ = std::move(parsed.metadata);
        if (has_checksum() &&
            checksum_of(file_, path_, std::move(header), data_begin_, size) != metadata_.at(std::string(kChecksumKey)))
            fail(path_, "the checksum does not match: damaged, or changed by a program that kept " +
                            std::string(kChecksumKey) + " in its metadata");
    } catch (...) {
        ::close(file_);
        throw;
    }
}

SafetensorsReader::~SafetensorsReader() {
    if (file_ >= 0) ::close(file_);
}

SafetensorsReader::SafetensorsReader(SafetensorsReader&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      data_begin_(other.data_begin_),
      tensors_(std::move(other.tensors_)),
      metadata_(std::move(other.metadata_)) {}

const TensorInfo* SafetensorsReader::find(std::string_view name) const noexcept {
    const auto found =
        std::find_if(tensors_.begin(), tensors_.end(), [&](const TensorInfo& tensor) { return tensor.name == name; });
    return found == tensors_.end() ? nullptr : &*found;
}

const TensorInfo& SafetensorsReader::tensor(std::string_view name) const {
    if (const TensorInfo* found = find(name)) return *found;
    fail(path_, "has no tensor " + files::printable(name));
}

void SafetensorsReader::read(const TensorInfo& tensor, void* to) const {
    read_at(file_, path_, data_begin_ + tensor.offset, to, tensor.bytes());
}

void SafetensorsReader::read_as(const TensorInfo& tensor, DType type, void* to) const {
    if (type == tensor.dtype) return read(tensor, to);
    const std::int64_t count = tensor.shape.size(), from_size = size_of(tensor.dtype);
    const std::int64_t per_chunk = kChunk / from_size;
    std::vector<char> chunk(static_cast<std::size_t>(std::min(kChunk, tensor.bytes())));
    for (std::int64_t at = 0; at < count; at += per_chunk) {
        const std::int64_t elements = std::min(per_chunk, count - at);
        read_at(file_, path_, data_begin_ + tensor.offset + at * from_size, chunk.data(), elements * from_size);
        convert_elements(type, static_cast<char*>(to) + at * size_of(type), tensor.dtype, chunk.data(), elements);
    }
}

}  // namespace rondo
