#include <algorithm>
#include <bit>
#include <rondo/safetensors.hpp>

#include "files/atomic_file.hpp"
#include "files/crc32c.hpp"
#include "files/safetensors_header.hpp"

namespace rondo {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and is written as memory lies");

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors, const Metadata& metadata) {
    // Wide types first: every tensor is then aligned to its element, for readers that map the file.
    std::vector<NamedTensor> sorted(tensors.begin(), tensors.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const NamedTensor& a, const NamedTensor& b) {
        return size_of(a.view.dtype) > size_of(b.view.dtype);
    });
    for (const NamedTensor& tensor : sorted)
        require(tensor.view.data || tensor.view.shape.size() == 0, "tensor", tensor.name, "has no data");

    std::string header = files::build_header(sorted, metadata, path);
    const auto bytes = [](const NamedTensor& tensor) {
        return static_cast<std::size_t>(tensor.view.shape.size() * size_of(tensor.view.dtype));
    };
    std::uint32_t crc = files::crc32c(0, header.data(), header.size());
    for (const NamedTensor& tensor : sorted) crc = files::crc32c(crc, tensor.view.data, bytes(tensor));
    header.replace(files::kChecksumPrefix.size(), files::kChecksumDigits, files::checksum_digits(crc));

    unsigned char length[8];
    for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
    files::AtomicFile file(path);
    file.write(length, sizeof length);
    file.write(header.data(), header.size());
    for (const NamedTensor& tensor : sorted) file.write(tensor.view.data, bytes(tensor));
    file.commit();
}

}  // namespace rondo
