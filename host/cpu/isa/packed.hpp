#pragma once
/// Weights as the time loop reads them, and the product with them.
///
/// A packed matrix maps k inputs to units with `gates` outputs each. It lies as [block][k][gate][lane], a block being as
/// many units as a vector has lanes (the last one padded with zeros): all that one block needs is one stream.
/// Packing::gates holds W so (k = cols), Packing::transposed its transpose (k = rows, units = cols, one gate).
#include "cpu/isa/microkernel.hpp"
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

/// A packed matrix.
template <class T>
struct Packed {
    const T* values;
    std::int64_t k, units;
    int gates;

    std::int64_t blocks() const { return (units + kLanes<T> - 1) / kLanes<T>; }
    std::int64_t block_stride() const { return k * gates * kLanes<T>; }
    /// Blocks that are multiplied together, so that a tile is about four vectors wide.
    int group() const { return gates >= 3 ? 1 : kMaxVectors / gates; }
};

/// Rows of a tile's memory, which should stay in the caches next to the core.
inline constexpr std::int64_t kTileRows = 64;

/// tile[row][vector][lane] = a[rows, k] · W of the `blocks` blocks from `block` on; a's rows a_stride apart.
template <class T>
void multiply_packed(const T* a, std::int64_t a_stride, std::int64_t rows, const Packed<T>& w, std::int64_t block,
                     std::int64_t blocks, T* tile);

template <class T>
std::int64_t packed_bytes(const Packing& packing);
template <class T>
void pack(const Packing& packing, const void* w, void* packed, const Context& context);

}  // namespace rondo::cpu::RONDO_ISA
