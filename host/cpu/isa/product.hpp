#pragma once
/// C = op(A)·op(B), and sums of columns.
#include "cpu/isa/microkernel.hpp"
#include "cpu/table.hpp"

namespace rondo::cpu::RONDO_ISA {

/// How a product is cut. A piece of k is packed of both: kRows rows of A stay in the first-level cache while a block of B
/// comes by from the second, kCols columns at a time; the block of A lies beyond.
template <class T>
struct Blocking {
    // Measured on Cascade Lake: 14 x 2 for f32 and 6 x 4 for f64, whose packed rows fit one vector.
    static constexpr int kVectors = kRegisters == 32 && sizeof(T) == 8 ? 4 : 2;
    static constexpr int kRows = kRegisters == 32 && sizeof(T) == 4 ? 14 : 6;
    static constexpr int kStep = (kRows + kLanes<T> - 1) / kLanes<T> * kLanes<T>;  // rows with their padding, packed
    static constexpr int kCols = kVectors * kLanes<T>;
    static constexpr std::int64_t kK = sizeof(T) == 4 ? 256 : 192;
    static constexpr std::int64_t kN = 384;
    static constexpr std::int64_t kM = 96 * kRows;
    static constexpr std::int64_t kValuesOfB = kK * kN, kValuesOfA = kK * (kM / kRows) * kStep;
    static constexpr std::size_t kScratchBytes = static_cast<std::size_t>(kValuesOfA + kValuesOfB) * sizeof(T);
    static_assert(kN % kCols == 0 && kM % kRows == 0 && kScratchBytes % 64 == 0);
};

template <class T>
void product(const Product& product, const Context& context);

/// The part for few rows; false where it does not apply. Which way is taken depends on the extents alone.
template <class T>
bool product_of_few_rows(const Product& product, const Context& context);

template <class T>
void column_sums(void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride, bool accumulate,
                 const Context& context);

}  // namespace rondo::cpu::RONDO_ISA
