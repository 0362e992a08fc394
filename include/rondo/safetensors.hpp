#pragma once
/// Tensors in files: the safetensors format (8 bytes little-endian header length, a JSON header, the data).
///
/// Reading trusts nothing: extents, offsets and sizes are checked against the file before anything is allocated, and
/// memory stays within the file's size and 64 MiB. Writing is all or nothing: the target is the old file or the whole
/// new one, whatever interrupts it. What is written carries a CRC-32C of header and data in __metadata__ (kChecksumKey),
/// verified whenever a file has one.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rondo/dtype.hpp"
#include "rondo/export.hpp"
#include "rondo/tensor.hpp"

namespace rondo {

inline constexpr std::string_view kChecksumKey = "rondo.crc32c";

/// What is refused, though the format allows it: more tensors or text than any model has would let a small file take
/// much memory. The header's own limit is the format's.
struct SafetensorsLimits {
    static constexpr std::int64_t kHeaderBytes = 100'000'000;
    static constexpr std::int64_t kTensors = 65'536;
    static constexpr std::int64_t kStringBytes = 4 << 20;  ///< one name or one metadata value
    static constexpr std::int64_t kTextBytes = 16 << 20;   ///< all names, metadata keys and values together
};

/// A tensor of a file: its name, and where its data lie after the header.
struct TensorInfo {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::int64_t offset = 0;  ///< in bytes, from the end of the header
    std::int64_t bytes() const { return shape.size() * size_of(dtype); }
};

/// An open safetensors file. Every function throws Error (io) that names the file and what is wrong with it.
/// Thread-safe for reading.
class RONDO_API SafetensorsReader {
public:
    /// Opens and checks the file, the checksum included where there is one. Element types other than DType's and
    /// more than Shape::kMaxRank dimensions are refused.
    explicit SafetensorsReader(std::string path);
    ~SafetensorsReader();
    SafetensorsReader(SafetensorsReader&& other) noexcept;
    SafetensorsReader& operator=(SafetensorsReader&&) = delete;

    const std::string& path() const noexcept { return path_; }
    const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }  ///< in the order of their data
    const Metadata& metadata() const noexcept { return metadata_; }
    bool has_checksum() const { return metadata_.count(std::string(kChecksumKey)) != 0; }

    const TensorInfo* find(std::string_view name) const noexcept;  ///< null where there is none
    const TensorInfo& tensor(std::string_view name) const;         ///< throws where there is none

    /// Copies a tensor's data as it is stored; `to` has room for tensor.bytes().
    void read(const TensorInfo& tensor, void* to) const;
    /// Copies and converts (convert_elements); `to` has room for shape.size() elements of `type`.
    void read_as(const TensorInfo& tensor, DType type, void* to) const;

private:
    std::string path_;
    int file_ = -1;
    std::int64_t data_begin_ = 0;
    std::vector<TensorInfo> tensors_;
    Metadata metadata_;
};

/// A tensor to be written; its data lie on the host.
struct NamedTensor {
    std::string name;
    ConstView view;
};

/// Writes all tensors to a temporary file beside `path`, forces it to the disk and renames it to `path`. On an error
/// nothing of it remains and an old file is untouched; the folder must exist. Throws Error (io), and
/// Error (invalid_argument) on doubled or unwritable names.
RONDO_API void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                                 const Metadata& metadata = {});

}  // namespace rondo
