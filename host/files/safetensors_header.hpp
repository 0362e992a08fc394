#pragma once
/// The JSON header of a safetensors file: parsed and checked, or built.
#include <cstdint>
#include <rondo/safetensors.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rondo::files {

struct Header {
    std::vector<TensorInfo> tensors;  ///< in the order of their data
    Metadata metadata;
};

/// Throws Error (io) that begins "file = `path`: " unless `json` describes `data_bytes` bytes of data without holes,
/// overlap or rest, within SafetensorsLimits.
Header parse_header(std::string_view json, std::int64_t data_bytes, const std::string& path);

/// What a header begins with when it has our checksum, eight hexadecimal digits follow. The checksum is of the header
/// with zeros for these digits, and the data.
inline constexpr std::string_view kChecksumPrefix = R"({"__metadata__":{"rondo.crc32c":")";
inline constexpr std::size_t kChecksumDigits = 8;

/// The header, checksum digits zero, padded to a multiple of 8 bytes. `tensors` are in the order of their data.
/// Throws Error on names and text that parse_header would refuse.
std::string build_header(std::span<const NamedTensor> tensors, const Metadata& metadata, const std::string& path);

std::string checksum_digits(std::uint32_t crc);

/// Text from a file as it may stand in a one-line message: control characters escaped, long text cut.
std::string printable(std::string_view text);

}  // namespace rondo::files
