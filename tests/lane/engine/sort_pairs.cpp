// What kernels/cub/ has CUB do, as work of a stream: CUB itself is for nvcc alone.
#include "cub/sort_pairs.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "device/check.hpp"
#include "lane/standin/machine.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::kernels {

void sort_pairs(const std::int32_t* keys, std::int32_t* keys_out, const std::int32_t* values, std::int32_t* values_out,
                std::int64_t count, void* scratch, std::size_t scratch_bytes, cudaStream_t stream) {
    const auto room = 32 * static_cast<std::size_t>(count) + 65536;
    device::check(lane::call([&] {
                      lane::need(scratch != nullptr && scratch_bytes >= room, cudaErrorInvalidValue);
                      lane::enqueue_work(lane::stream_of(stream), "sort_pairs", [=] {
                          std::vector<std::int64_t> order(static_cast<std::size_t>(count));
                          std::iota(order.begin(), order.end(), 0);
                          std::stable_sort(order.begin(), order.end(),
                                           [&](std::int64_t a, std::int64_t b) { return keys[a] < keys[b]; });
                          for (std::int64_t i = 0; i < count; ++i) {
                              keys_out[i] = keys[order[static_cast<std::size_t>(i)]];
                              values_out[i] = values[order[static_cast<std::size_t>(i)]];
                          }
                          // As on a device, where nobody may count on what lies in there.
                          std::fill_n(static_cast<unsigned char*>(scratch), scratch_bytes, 0xff);
                      });
                  }),
                  "sort_pairs");
}

}  // namespace rondo::kernels
