// Sums of columns: the gradients of biases.
#include "cpu/isa/product.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

/// Rows are summed in pieces of this many, and the pieces' sums after it: one long chain would lose digits.
constexpr std::int64_t kPiece = 256;

template <class T, bool kWhole>
Pack<T> sum_of_column(const T* from, std::int64_t col, std::int64_t rows, std::int64_t stride, int n) {
    if (rows <= 0) return T(0);  // there, `from` may be null
    const T* const x = from + col;
    Pack<T> total = T(0);
    for (std::int64_t r0 = 0; r0 < rows; r0 += kPiece) {
        const std::int64_t r1 = r0 + kPiece < rows ? r0 + kPiece : rows;
        Pack<T> even = T(0), odd = T(0);
        std::int64_t r = r0;
        for (; r + 1 < r1; r += 2) {
            even = even + load<kWhole>(x + r * stride, n);
            odd = odd + load<kWhole>(x + (r + 1) * stride, n);
        }
        if (r < r1) even = even + load<kWhole>(x + r * stride, n);
        total = total + (even + odd);
    }
    return total;
}

template <class T, bool kWhole>
void put(T* sum, Pack<T> value, int n, bool accumulate) {
    store<kWhole>(accumulate ? load<kWhole>(sum, n) + value : value, sum, n);
}

}  // namespace

template <class T>
void column_sums(void* sums, const void* x, std::int64_t rows, std::int64_t cols, std::int64_t stride, bool accumulate,
                 const Context& context) {
    constexpr std::int64_t kL = kLanes<T>;
    T* const to = static_cast<T*>(sums);
    const T* const from = static_cast<const T*>(x);
    context.pool.parallel_for(
        (cols + kL - 1) / kL, 1 + (1 << 12) / (rows + 1), [=](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t block = begin; block < end; ++block) {
                const std::int64_t col = block * kL;
                if (cols - col >= kL) {
                    put<T, true>(to + col, sum_of_column<T, true>(from, col, rows, stride, kL), kL, accumulate);
                } else {
                    const int n = static_cast<int>(cols - col);
                    put<T, false>(to + col, sum_of_column<T, false>(from, col, rows, stride, n), n, accumulate);
                }
            }
        });
}

template void column_sums<float>(void*, const void*, std::int64_t, std::int64_t, std::int64_t, bool, const Context&);
template void column_sums<double>(void*, const void*, std::int64_t, std::int64_t, std::int64_t, bool, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
