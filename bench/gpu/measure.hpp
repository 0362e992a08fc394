#pragma once
/// One row from beginning to end: agreement, then the race.
#include "gpu/cudnn_handles.hpp"
#include "rows/result_file.hpp"

namespace rondo::bench {

/// Whatever goes wrong stands in the result. The handle works on `stream`. `machine` tells what the device can do.
/// `alone`: without cuDNN.
RowResult measure(const Device& device, Stream stream, const CudnnHandle& handle, const Row& row, double seconds,
                  const nlohmann::ordered_json& machine, bool alone);

}  // namespace rondo::bench
