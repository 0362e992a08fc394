#pragma once
/// Where truncated backpropagation through time cuts a long sequence.
#include <cstdint>
#include <vector>

namespace rondo {

/// One training step: run [begin, end), take the losses of [loss_begin, end), backpropagate through all of it.
struct Window {
    std::int64_t begin, end, loss_begin;
    friend bool operator==(const Window&, const Window&) = default;
};

/// Truncated BPTT (k1, k2) over `steps` steps: a window ends every k1 steps (the last where the sequence does) and
/// reaches back k2 steps, as far as there are so many. Every step's loss is taken once. A window begins within the one
/// before it or at its end, so that the state to begin with can be kept from there.
/// Pure. Throws Error unless steps >= 1 and k2 >= k1 >= 1.
std::vector<Window> truncation_windows(std::int64_t steps, std::int64_t k1, std::int64_t k2);

}  // namespace rondo
