#include <rondo/checkpoint.hpp>
#include <rondo/safetensors.hpp>

namespace rondo {
namespace {

constexpr std::string_view kFormat = "1";

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
    std::vector<NamedTensor> tensors;
    tensors.reserve(checkpoint.tensors.size());
    for (const HostTensor& tensor : checkpoint.tensors) tensors.push_back({tensor.name, tensor.view()});
    Metadata metadata = checkpoint.metadata;
    require(metadata.emplace(kCheckpointKey, kFormat).second, "metadata", kCheckpointKey,
            "is written by the library itself");
    write_safetensors(path, tensors, metadata);
}

Checkpoint load_checkpoint(const std::string& path) {
    const SafetensorsReader reader(path);
    Checkpoint checkpoint;
    checkpoint.metadata = reader.metadata();
    const auto format = checkpoint.metadata.find(std::string(kCheckpointKey));
    if (format == checkpoint.metadata.end()) throw Error(ErrorCode::io, "file = " + path + ": is no checkpoint");
    if (format->second != kFormat)
        throw Error(ErrorCode::io, "file = " + path + ": is a checkpoint of another format (" + format->second +
                                       ", not " + std::string(kFormat) + ")");
    checkpoint.metadata.erase(format);
    checkpoint.metadata.erase(std::string(kChecksumKey));
    for (const TensorInfo& info : reader.tensors()) {
        HostTensor& tensor = checkpoint.tensors.emplace_back(info.name, info.dtype, info.shape);
        reader.read(info, tensor.data.data());
    }
    return checkpoint;
}

}  // namespace rondo
