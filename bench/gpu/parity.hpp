#pragma once
/// Many small cases compared with cuDNN.
#include "gpu/cudnn_handles.hpp"
#include "rows/flags.hpp"
#include "rows/result_file.hpp"

namespace rondo::bench {

/// Compares the flags' rows until the time is up, and writes {"machine", "summary", "failed", "worst"} to the output.
/// 1 where a case failed, or none could be compared.
int parity(const Device& device, Stream stream, const CudnnHandle& handle, const Flags& flags,
           const nlohmann::ordered_json& machine);

}  // namespace rondo::bench
