#include "gpu/problem.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "rondo/convert.hpp"

namespace rondo::bench {

Draws::Draws(DType exact_in, double scale, std::uint32_t seed, std::int64_t wanted)
    : table_(static_cast<std::size_t>(std::min<std::int64_t>(wanted, 1000003))) {
    std::mt19937 engine(seed);
    for (float& value : table_)
        value =
            static_cast<float>(scale * (static_cast<double>(engine()) / 0x1p31 - 1));  // every library draws the same
    std::vector<std::byte> rounded(table_.size() * static_cast<std::size_t>(size_of(exact_in)));
    const auto count = static_cast<std::int64_t>(table_.size());
    convert_elements(exact_in, rounded.data(), DType::f32, table_.data(), count);
    convert_elements(DType::f32, table_.data(), exact_in, rounded.data(), count);
}

std::vector<std::byte> Draws::make(DType type, std::int64_t count) const {
    const auto size = static_cast<std::size_t>(size_of(type)), total = static_cast<std::size_t>(count);
    std::vector<std::byte> made(total * size);
    const std::size_t first = std::min(total, table_.size());
    convert_elements(type, made.data(), DType::f32, table_.data(), static_cast<std::int64_t>(first));
    for (std::size_t at = first; at < total; at += table_.size())
        std::memcpy(made.data() + at * size, made.data(), std::min(table_.size(), total - at) * size);
    return made;
}

Problem::Problem(const Row& r)
    : row(r),
      stack(r.stack()),
      storage(stack.precision.storage),
      weights(storage, 1 / std::sqrt(static_cast<double>(r.hidden)), 1,
              4 * r.layers * r.directions * r.hidden * (r.input + 3 * r.hidden + 2)),  // no cell has more
      x(storage, 1, 2, x_count()),
      dy(storage, 1, 3, y_count()),
      h(storage, 1, 5, h_count()),
      c(storage, 1, 6, c_count()),
      dh(storage, 1, 7, h_count()),
      dc(storage, 1, 8, c_count()),
      lengths(static_cast<std::size_t>(r.batch), r.steps) {
    std::mt19937 engine(4);
    for (std::size_t b = 1; row.ragged && b < lengths.size(); ++b)
        lengths[b] = 1 + static_cast<std::int64_t>(engine() % static_cast<std::uint32_t>(row.steps));
}

}  // namespace rondo::bench
