// Products of at most four rows, as inference at batch 1 has them: nothing is packed, since B is read only once.
#include "cpu/isa/product.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

constexpr int kFew = 4;
constexpr std::int64_t kGrain = 1 << 16;

constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

/// The sum of the lanes, halves first.
template <class T>
T sum_of_lanes(Pack<T> x) {
    alignas(RONDO_VECTOR_BYTES) T lanes[kLanes<T>];
    x.store(lanes);
    for (int half = kLanes<T> / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
}

template <class T>
void put(const Product& p, std::int64_t row, std::int64_t col, T sum) {
    T& c = static_cast<T*>(p.c)[row * p.c_stride + col];
    if (p.bias) sum += static_cast<const T*>(p.bias)[col];
    c = p.accumulate ? c + sum : sum;
}

/// Rows of A and rows of B (stored transposed) as scalar products, kRows × kCols at once.
template <class T, int kRows, int kCols>
void dots(const Product& p, std::int64_t col) {
    constexpr int kL = kLanes<T>;
    const T* const a = static_cast<const T*>(p.a);
    const T* const b = static_cast<const T*>(p.b) + col * p.b_stride;
    Sums<T, kRows, kCols> sums;
    sums.clear();
    auto add = [&]<bool kWhole>(std::int64_t k, int n) __attribute__((always_inline)) {
        Pack<T> y[kCols];
        RONDO_UNROLL
        for (int c = 0; c < kCols; ++c) y[c] = load<kWhole>(b + c * p.b_stride + k, n);
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            const Pack<T> x = load<kWhole>(a + r * p.a_stride + k, n);
            RONDO_UNROLL
            for (int c = 0; c < kCols; ++c) sums.at[r][c] = fma(x, y[c], sums.at[r][c]);
        }
    };
    std::int64_t k = 0;
    for (; k + kL <= p.k; k += kL) add.template operator()<true>(k, kL);
    if (k < p.k) add.template operator()<false>(k, static_cast<int>(p.k - k));
    for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kCols; ++c) put(p, r, col + c, sum_of_lanes(sums.at[r][c]));
}

template <class T, int kRows>
void dots_of_rows(const Product& p, const Context& context) {
    constexpr std::int64_t kCols = 4;
    const std::int64_t tiles = (p.n + kCols - 1) / kCols;
    context.pool.parallel_for(tiles, 1 + kGrain / (kRows * kCols * p.k + 1),
                              [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t col = begin * kCols; col < smaller(p.n, end * kCols); col += kCols) {
            if (p.n - col >= kCols)
                dots<T, kRows, kCols>(p, col);
            else
                for (std::int64_t c = col; c < p.n; ++c) dots<T, kRows, 1>(p, c);
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
    sums.template multiply<false>(o);
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
        for (; col + kCols <= stop; col += kCols) rows_of_b<T, kRows, kMaxVectors>(p, a_row, a_step, col);
        for (; col + kL <= stop; col += kL) rows_of_b<T, kRows, 1>(p, a_row, a_step, col);
        if (col < stop) last_of_b<T, kRows>(p, a_row, a_step, col);
    });
}

template <class T, int kRows>
void few_rows(const Product& p, const Context& context) {
    if (p.b_transposed)
        dots_of_rows<T, kRows>(p, context);
    else
        rows_of_b_for<T, kRows>(p, context);
}

}  // namespace

template <class T>
bool product_of_few_rows(const Product& p, const Context& context) {
    if (p.m > kFew || (p.b_transposed && p.a_transposed && p.a_stride != 1 && p.k != 1)) return false;
    Product q = p;
    if (p.b_transposed && p.a_transposed) {
        if (p.m != 1) return false;
        q.a_transposed = false;  // a single row, stored as a column without gaps
    }
    switch (p.m) {
        case 1: few_rows<T, 1>(q, context); break;
        case 2: few_rows<T, 2>(q, context); break;
        case 3: few_rows<T, 3>(q, context); break;
        default: few_rows<T, 4>(q, context); break;
    }
    return true;
}

template bool product_of_few_rows<float>(const Product&, const Context&);
template bool product_of_few_rows<double>(const Product&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
