#pragma once
/// CRC-32C (Castagnoli), the checksum of iSCSI and ext4.
#include <cstddef>
#include <cstdint>

namespace rondo::files {

/// The CRC of the bytes seen so far, followed by `size` more. Begin with 0. Thread-safe.
std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t size) noexcept;

}  // namespace rondo::files
