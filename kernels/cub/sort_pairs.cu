#include <cub/device/device_radix_sort.cuh>

#include "cub/sort_pairs.hpp"
#include "device/check.hpp"

namespace rondo::kernels {

void sort_pairs(const std::int32_t* keys, std::int32_t* keys_out, const std::int32_t* values, std::int32_t* values_out,
                std::int64_t count, void* scratch, std::size_t scratch_bytes, cudaStream_t stream) {
    device::check(cub::DeviceRadixSort::SortPairs(scratch, scratch_bytes, keys, keys_out, values, values_out, count, 0,
                                                  32, stream),
                  "sort_pairs");
}

}  // namespace rondo::kernels
