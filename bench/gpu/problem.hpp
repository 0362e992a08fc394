#pragma once
/// What both sides compute: the same weights, inputs and lengths, drawn on the host.
#include <cstddef>
#include <vector>

#include "rows/row.hpp"

namespace rondo::bench {

/// Uniform random numbers that are exact in the row's type, so that every precision starts from the same ones. Where
/// many are wanted a table of them is repeated; its length is prime, so that no row or column is the same as another.
class Draws {
public:
    Draws(DType exact_in, double scale, std::uint32_t seed, std::int64_t wanted);
    std::vector<std::byte> make(DType type, std::int64_t count) const;

private:
    std::vector<float> table_;
};

struct Problem {
    explicit Problem(const Row& row);

    Row row;
    StackSpec stack;
    DType storage;
    Draws weights, x, dy;  ///< weights in ±1/sqrt(H), the others in ±1
    Draws h, c, dh, dc;    ///< initial states and gradients of the final ones, of all layers and directions
    std::vector<std::int64_t> lengths;  ///< of every row; ragged ones lie in [1,T], the first is T

    std::int64_t x_count() const { return row.steps * row.batch * row.input; }
    std::int64_t loops() const { return row.layers * row.directions; }
    std::int64_t h_count() const { return loops() * row.batch * row.width(); }
    std::int64_t c_count() const { return loops() * row.batch * row.hidden; }
    std::int64_t y_count() const { return row.steps * row.batch * stack.output(); }
};

}  // namespace rondo::bench
