#pragma once
/// C = op(A)·op(B), and sums of columns.
#include "cpu/isa/microkernel.hpp"
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

/// How a product is cut. A piece of k is packed of both: a micropanel of A (kTileRowsOfA rows) stays in the first-level
/// cache while the micropanels of a block of B come by from the second; the block of A lies beyond.
template <class T>
struct Blocking {
    static constexpr int kVectors = 2;
    static constexpr int kRows = tile_rows(kVectors);
    static constexpr int kCols = kVectors * kLanes<T>;
    static constexpr std::int64_t kK = 1536 / static_cast<std::int64_t>(sizeof(T));
    static constexpr std::int64_t kN = 384;
    static constexpr std::int64_t kM = 1536;
    static constexpr std::int64_t kValuesOfB = kK * kN, kValuesOfA = kK * kM;
    static_assert(kN % kCols == 0 && kM % kRows == 0);
};

inline constexpr std::size_t kScratchBytes =
    (Blocking<float>::kValuesOfA + Blocking<float>::kValuesOfB) * sizeof(float);
static_assert(kScratchBytes == (Blocking<double>::kValuesOfA + Blocking<double>::kValuesOfB) * sizeof(double));

template <class T>
void product(const Product& product, const Context& context);

/// The part for few rows; false where it does not apply. Which way is taken depends on the extents alone.
template <class T>
bool product_of_few_rows(const Product& product, const Context& context);

template <class T>
void column_sums(void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride, bool accumulate,
                 const Context& context);

}  // namespace rondo::cpu::RONDO_ISA
