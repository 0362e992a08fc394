// C = op(A)·op(B) by blocks, both packed.
#include "cpu/isa/product.hpp"

#include "cpu/isa/transpose.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

constexpr std::int64_t up_to_multiple(std::int64_t n, std::int64_t of) { return (n + of - 1) / of * of; }

/// Multiply-adds below which another thread costs more than it brings: a product comes alone, and must wake it.
constexpr std::int64_t kGrain = 1 << 21;

/// An operand with both its strides: element (i, j) at p[i·row + j·col].
template <class T>
struct Matrix {
    const T* p;
    std::int64_t row, col;
    const T* at(std::int64_t i, std::int64_t j) const { return p + i * row + j * col; }
};

/// A part of C.
struct Part {
    std::int64_t m0, m1, n0, n1;
};

/// Panels of an operand that lies along them are filled this many at a time, so that more than a cache line or two is
/// read before the next row, which lies on another page.
constexpr std::int64_t kPanels = 8;

/// m rows by k of A as [panel][k][row], `height` rows to a panel and kStep places for them. Places without a row are
/// left as they are.
template <class T>
void pack_a(const Matrix<T>& a, std::int64_t m, std::int64_t k, std::int64_t height, T* to) {
    constexpr std::int64_t kL = kLanes<T>, kStep = Blocking<T>::kStep;
    if (a.col == 1) {
        for (std::int64_t i = 0; i < m; i += height, to += k * kStep)
            for (std::int64_t r = 0; r < smaller(height, m - i); r += kL)
                columns_of_rows(a.at(i + r, 0), a.row, static_cast<int>(smaller(kL, m - i - r)), k, to + r, kStep);
        return;
    }
    for (std::int64_t i0 = 0; i0 < m; i0 += kPanels * height, to += kPanels * k * kStep)
        for (std::int64_t j = 0; j < k; ++j) {
            T* out = to + j * kStep;
            for (std::int64_t i = i0; i < smaller(m, i0 + kPanels * height); i += height, out += k * kStep)
                for (std::int64_t r = 0; r < smaller(height, m - i); r += kL) {
                    const T* const from = a.at(i + r, j);
                    const std::int64_t left = m - i - r;
                    (left >= kL ? Pack<T>::load(from) : load_first(from, static_cast<int>(left))).store(out + r);
                }
        }
}

/// k by n of B as [panel][k][column], the last panel padded with zeros.
template <class T>
void pack_b(const Matrix<T>& b, std::int64_t k, std::int64_t n, T* to) {
    constexpr std::int64_t kL = kLanes<T>, kCols = Blocking<T>::kCols;
    const std::int64_t padded = up_to_multiple(n, kCols);
    if (b.col != 1) {
        for (std::int64_t c = 0; c < padded; c += kL) {
            T* const panel = to + c / kCols * kCols * k + c % kCols;
            const int cols = static_cast<int>(larger(0, smaller(kL, n - c)));
            columns_of_rows(b.at(0, cols > 0 ? c : 0), b.col, cols, k, panel, kCols);
        }
        return;
    }
    for (std::int64_t c0 = 0; c0 < padded; c0 += kPanels * kCols)
        for (std::int64_t i = 0; i < k; ++i)
            for (std::int64_t c = c0; c < smaller(padded, c0 + kPanels * kCols); c += kL) {
                T* const out = to + c / kCols * kCols * k + i * kCols + c % kCols;
                const std::int64_t left = n - c;
                if (left >= kL)
                    Pack<T>::load(b.at(i, c)).store(out);
                else
                    (left > 0 ? load_first(b.at(i, c), static_cast<int>(left)) : Pack<T>(T(0))).store(out);
            }
}

/// What a tile's sums are added to.
template <class T>
struct Sink {
    T* c;
    std::int64_t stride;
    const T* bias;  // of the tile's columns, or null
    bool add;       // to what C holds
};

template <class T, bool kWhole>
RONDO_HD void finish(const Pack<T>& sum, const Sink<T>& sink, int row, int col, int n) {
    T* const c = sink.c + row * sink.stride + col;
    Pack<T> value = sum;
    if (sink.bias) value = value + load<kWhole>(sink.bias + col, n);
    if (sink.add) value = load<kWhole>(c, n) + value;
    store<kWhole>(value, c, n);
}

template <class T, int kRows>
void multiply_tile(const T* a, const T* b, std::int64_t k, const Sink<T>& sink, std::int64_t cols) {
    constexpr int kVectors = Blocking<T>::kVectors, kL = kLanes<T>;
    Operands<T> o{a, 1, Blocking<T>::kStep, {}, Blocking<T>::kCols, k};
    for (int v = 0; v < kVectors; ++v) o.b[v] = b + v * kL;
    for (int r = 0; r < kRows; ++r)  // here by the time the sums are done
        for (int v = 0; v < kVectors; ++v) __builtin_prefetch(sink.c + r * sink.stride + v * kL, 1);
    Sums<T, kRows, kVectors> sums;
    sums.clear();
    sums.template multiply<Blocking<T>::kStep>(o);
    if (cols >= Blocking<T>::kCols) {
        RONDO_UNROLL
        for (int r = 0; r < kRows; ++r) {
            RONDO_UNROLL
            for (int v = 0; v < kVectors; ++v) finish<T, true>(sums.at[r][v], sink, r, v * kL, kL);
        }
        return;
    }
    RONDO_UNROLL
    for (int r = 0; r < kRows; ++r) {
        RONDO_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            const int n = static_cast<int>(cols) - v * kL;
            if (n >= kL)
                finish<T, true>(sums.at[r][v], sink, r, v * kL, kL);
            else if (n > 0)
                finish<T, false>(sums.at[r][v], sink, r, v * kL, n);
        }
    }
}

template <class T, int kRows = Blocking<T>::kRows>
void multiply_rows(std::int64_t rows, const T* a, const T* b, std::int64_t k, const Sink<T>& sink, std::int64_t cols) {
    if (rows >= kRows) {
        multiply_tile<T, kRows>(a, b, k, sink, cols);
    } else if constexpr (kRows > 1) {
        multiply_rows<T, kRows - 1>(rows, a, b, k, sink, cols);
    }
}

/// One part of C, with scratch of its own.
template <class T>
void multiply_part(const Product& p, const Matrix<T>& a, const Matrix<T>& b, const Part& part, T* scratch) {
    using B = Blocking<T>;
    T* const packed_a = scratch;
    T* const packed_b = scratch + B::kValuesOfA;
    const T* const bias = static_cast<const T*>(p.bias);
    const std::int64_t pieces = p.k > B::kK ? (p.k + B::kK - 1) / B::kK : 1;
    for (std::int64_t m = part.m0; m < part.m1; m += B::kM) {
        const std::int64_t rows = smaller(B::kM, part.m1 - m);
        const std::int64_t panels = (rows + B::kRows - 1) / B::kRows;
        const std::int64_t height = (rows + panels - 1) / panels;  // about equal: a panel of two rows wastes registers
        for (std::int64_t piece = 0; piece < pieces; ++piece) {
            const std::int64_t k = p.k * piece / pieces, depth = p.k * (piece + 1) / pieces - k;
            pack_a(Matrix<T>{a.at(m, k), a.row, a.col}, rows, depth, height, packed_a);
            for (std::int64_t n = part.n0; n < part.n1; n += B::kN) {
                const std::int64_t cols = smaller(B::kN, part.n1 - n);
                pack_b(Matrix<T>{b.at(k, n), b.row, b.col}, depth, cols, packed_b);
                for (std::int64_t i = 0; i < rows; i += height)
                    for (std::int64_t j = 0; j < cols; j += B::kCols) {
                        T* const c = static_cast<T*>(p.c) + (m + i) * p.c_stride + n + j;
                        const Sink<T> sink{c, p.c_stride, bias && k == 0 ? bias + n + j : nullptr,
                                           p.accumulate || k > 0};
                        multiply_rows<T>(smaller(height, rows - i), packed_a + i / height * B::kStep * depth,
                                         packed_b + j * depth, depth, sink, cols - j);
                    }
            }
        }
    }
}

/// How many parts C's rows and columns are cut into: what the threads pack twice is least.
struct Grid {
    std::int64_t rows = 1, cols = 1;
};
Grid grid_of(std::int64_t m, std::int64_t n, std::int64_t tile_m, std::int64_t tile_n, std::int64_t parts) {
    Grid best;
    std::int64_t best_cost = -1;
    for (std::int64_t rows = 1; rows <= parts; ++rows) {
        const std::int64_t cols = parts / rows;
        const std::int64_t part_m = up_to_multiple((m + rows - 1) / rows, tile_m);
        const std::int64_t part_n = up_to_multiple((n + cols - 1) / cols, tile_n);
        const std::int64_t cost = part_m * part_n + 16 * (part_m + part_n);  // packing one costs about 16 multiply-adds
        if (best_cost < 0 || cost < best_cost) {
            best = {rows, cols};
            best_cost = cost;
        }
    }
    return best;
}

}  // namespace

template <class T>
void product(const Product& p, const Context& context) {
    using B = Blocking<T>;
    if (p.m <= 0 || p.n <= 0 || product_of_few_rows<T>(p, context)) return;
    const Matrix<T> a{static_cast<const T*>(p.a), p.a_transposed ? 1 : p.a_stride, p.a_transposed ? p.a_stride : 1};
    const Matrix<T> b{static_cast<const T*>(p.b), p.b_transposed ? 1 : p.b_stride, p.b_transposed ? p.b_stride : 1};
    const std::int64_t worth = 1 + p.m * p.n * p.k / kGrain;
    const Grid grid = grid_of(p.m, p.n, B::kRows, B::kCols, smaller(context.pool.threads(), worth));
    const std::int64_t tiles_m = (p.m + B::kRows - 1) / B::kRows, tiles_n = (p.n + B::kCols - 1) / B::kCols;
    context.pool.parallel_for(grid.rows * grid.cols, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        T* const scratch =
            reinterpret_cast<T*>(context.scratch + static_cast<std::size_t>(thread) * context.scratch_bytes);
        for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t r = i / grid.cols, c = i % grid.cols;
            const Part part{tiles_m * r / grid.rows * B::kRows, smaller(p.m, tiles_m * (r + 1) / grid.rows * B::kRows),
                            tiles_n * c / grid.cols * B::kCols, smaller(p.n, tiles_n * (c + 1) / grid.cols * B::kCols)};
            multiply_part<T>(p, a, b, part, scratch);
        }
    });
}

template void product<float>(const Product&, const Context&);
template void product<double>(const Product&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
