// Products of few rows, as inference at small batches has them: nothing is packed, since B is read only once.
#include "cpu/isa/product.hpp"
#include "cpu/isa/transpose.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

constexpr std::int64_t kFewDots = 32;  // rows up to which reading B as it is beats packing it
/// Multiply-adds below which another thread costs more than it brings. Few rows wait for B, so each takes longer.
constexpr std::int64_t kGrain = 1 << 19;

template <class T>
void put(const Product& p, std::int64_t row, std::int64_t col, T sum) {
    T& c = static_cast<T*>(p.c)[row * p.c_stride + col];
    if (p.bias) sum += static_cast<const T*>(p.bias)[col];
    c = p.accumulate ? c + sum : sum;
}

/// Rows of A times rows of B (stored transposed) as scalar products, kRows × kCols at once.
template <class T, int kRows, int kCols>
void dots(const Product& p, std::int64_t row, std::int64_t col) {
    constexpr int kL = kLanes<T>, kSums = kRows * kCols, kPadded = (kSums + kL - 1) / kL * kL;
    const T* const a = static_cast<const T*>(p.a) + row * p.a_stride;
    const T* const b = static_cast<const T*>(p.b) + col * p.b_stride;
    Pack<T> sums[kPadded];
    RONDO_UNROLL
    for (int i = 0; i < kPadded; ++i) sums[i] = Pack<T>(T(0));
    auto add = [&]<bool kWhole>(std::int64_t k, int n) __attribute__((always_inline)) {
        Pack<T> y[kCols];
        RONDO_UNROLL
        for (int c = 0; c < kCols; ++c) y[c] = load<kWhole>(b + c * p.b_stride + k, n);
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            const Pack<T> x = load<kWhole>(a + r * p.a_stride + k, n);
            RONDO_UNROLL
            for (int c = 0; c < kCols; ++c) sums[r * kCols + c] = fma(x, y[c], sums[r * kCols + c]);
        }
    };
    std::int64_t k = 0;
    for (; k + kL <= p.k; k += kL) add.template operator()<true>(k, kL);
    if (k < p.k) add.template operator()<false>(k, static_cast<int>(p.k - k));
    alignas(RONDO_VECTOR_BYTES) T values[kPadded];
    RONDO_UNROLL
    for (int i = 0; i < kPadded; i += kL) {
        Pack<T> x[kL];
        RONDO_UNROLL
        for (int l = 0; l < kL; ++l) x[l] = sums[i + l];
        sums_of_lanes(x).store(values + i);
    }
    for (int i = 0; i < kSums; ++i) put(p, row + i / kCols, col + i % kCols, values[i]);
}

#if defined(__AVX512F__)
constexpr int kDotRows = 4;
#else
constexpr int kDotRows = 2;
#endif
constexpr int kDotCols = 4;

template <class T, int kRows>
void dots_of_rows(const Product& p, std::int64_t row, std::int64_t col, std::int64_t end) {
    if (end - col == kDotCols)
        dots<T, kRows, kDotCols>(p, row, col);
    else
        for (; col < end; ++col) dots<T, kRows, 1>(p, row, col);
}

template <class T>
void all_dots(const Product& p, const Context& context) {
    const std::int64_t tiles = (p.n + kDotCols - 1) / kDotCols;
    context.pool.parallel_for(tiles, 1 + kGrain / (p.m * kDotCols * p.k + 1),
                              [&](std::int64_t begin, std::int64_t end, int) {
                                  for (std::int64_t tile = begin; tile < end; ++tile) {
                                      const std::int64_t col = tile * kDotCols, stop = smaller(p.n, col + kDotCols);
                                      std::int64_t row = 0;
                                      for (; row + kDotRows <= p.m; row += kDotRows)
                                          dots_of_rows<T, kDotRows>(p, row, col, stop);
                                      for (; row < p.m; ++row) dots_of_rows<T, 1>(p, row, col, stop);
                                  }
                              });
}

/// B stored [k, n]: its rows are added up, four vectors wide.
template <class T, int kRows, int kVectors>
void rows_of_b(const Product& p, std::int64_t a_row, std::int64_t a_step, std::int64_t col) {
    Operands<T> o{static_cast<const T*>(p.a), a_row, a_step, {}, p.b_stride, p.k};
    for (int v = 0; v < kVectors; ++v) o.b[v] = static_cast<const T*>(p.b) + col + v * kLanes<T>;
    Sums<T, kRows, kVectors> sums;
    sums.clear();
    sums.template multiply<0>(o);
    alignas(RONDO_VECTOR_BYTES) T values[kRows][kVectors * kLanes<T>];
    sums.store(values[0], kVectors * kLanes<T>);
    for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kVectors * kLanes<T>; ++c) put(p, r, col + c, values[r][c]);
}

/// The last columns, fewer than a vector has lanes.
template <class T, int kRows>
void last_of_b(const Product& p, std::int64_t a_row, std::int64_t a_step, std::int64_t col) {
    const int n = static_cast<int>(p.n - col);
    Pack<T> sums[kRows];
    for (int r = 0; r < kRows; ++r) sums[r] = Pack<T>(T(0));
    for (std::int64_t k = 0; k < p.k; ++k) {
        const Pack<T> b = load_first(static_cast<const T*>(p.b) + k * p.b_stride + col, n);
        for (int r = 0; r < kRows; ++r)
            sums[r] = fma(Pack<T>(static_cast<const T*>(p.a)[r * a_row + k * a_step]), b, sums[r]);
    }
    alignas(RONDO_VECTOR_BYTES) T values[kLanes<T>];
    for (int r = 0; r < kRows; ++r) {
        sums[r].store(values);
        for (int c = 0; c < n; ++c) put(p, r, col + c, values[c]);
    }
}

template <class T, int kRows>
void rows_of_b_for(const Product& p, const Context& context) {
    constexpr std::int64_t kL = kLanes<T>, kCols = kMaxVectors * kL;
    const std::int64_t a_row = p.a_transposed ? 1 : p.a_stride, a_step = p.a_transposed ? p.a_stride : 1;
    const std::int64_t tiles = (p.n + kCols - 1) / kCols;
    context.pool.parallel_for(tiles, 1 + kGrain / (kRows * kCols * p.k + 1),
                              [&](std::int64_t begin, std::int64_t end, int) {
                                  const std::int64_t stop = smaller(p.n, end * kCols);
                                  std::int64_t col = begin * kCols;
                                  for (; col + kCols <= stop; col += kCols)
                                      rows_of_b<T, kRows, kMaxVectors>(p, a_row, a_step, col);
                                  for (; col + kL <= stop; col += kL) rows_of_b<T, kRows, 1>(p, a_row, a_step, col);
                                  if (col < stop) last_of_b<T, kRows>(p, a_row, a_step, col);
                              });
}

}  // namespace

template <class T>
bool product_of_few_rows(const Product& p, const Context& context) {
    if (p.k <= 0) return false;  // operands without elements may be null
    if (p.b_transposed) {
        if (p.m > kFewDots || (p.a_transposed && p.k > 1 && (p.m > 1 || p.a_stride > 1))) return false;
        Product q = p;
        if (p.a_transposed) q.a_stride = 1;  // one column without gaps is a row, one row a column
        all_dots<T>(q, context);
        return true;
    }
    switch (p.m) {
        case 1:
            rows_of_b_for<T, 1>(p, context);
            return true;
        case 2:
            rows_of_b_for<T, 2>(p, context);
            return true;
        case 3:
            rows_of_b_for<T, 3>(p, context);
            return true;
        case 4:
            rows_of_b_for<T, 4>(p, context);
            return true;
        default:
            return false;
    }
}

template bool product_of_few_rows<float>(const Product&, const Context&);
template bool product_of_few_rows<double>(const Product&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
