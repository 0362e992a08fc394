#pragma once
/// A training run in one file: parameters, optimizer state and carried state, with what they mean.
#include <string>
#include <vector>

#include "rondo/export.hpp"
#include "rondo/tensor.hpp"

namespace rondo {

/// Tensors by name, and text by name: configuration, vocabulary, counters. Which there are is the writer's affair.
struct Checkpoint {
    std::vector<HostTensor> tensors;
    Metadata metadata;
};

/// The metadata entry that tells a checkpoint from any other safetensors file, and its format.
inline constexpr std::string_view kCheckpointKey = "rondo.checkpoint";

/// Writes a safetensors file, all or nothing (write_safetensors): an old checkpoint stays until the new one is on the
/// disk whole. Throws Error (io, invalid_argument).
RONDO_API void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Throws Error (io) when the file is damaged, is no checkpoint, or is of a later format.
RONDO_API Checkpoint load_checkpoint(const std::string& path);

}  // namespace rondo
