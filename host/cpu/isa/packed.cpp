#include "cpu/isa/packed.hpp"

#include "cpu/isa/transpose.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

/// k is cut so that a block's piece of the weights stays in the second-level cache while the rows go by. Shorter pieces,
/// for the first level, gained nothing (measured on Cascade Lake, k 128 to 2048).
constexpr std::int64_t kPiece = 512;

template <class T, int kRows, int kVectors>
void multiply_rows(const Operands<T>& o, T* tile, std::int64_t row, bool first) {
    Sums<T, kRows, kVectors> sums;
    if (first)
        sums.clear();
    else
        sums.load(tile, row);
    sums.template multiply<0>(o);
    sums.store(tile, row);
}

/// The same for 1 to kRows rows.
template <class T, int kVectors, int kRows>
void multiply_any(std::int64_t rows, const Operands<T>& o, T* tile, std::int64_t row, bool first) {
    if (rows == kRows) {
        multiply_rows<T, kRows, kVectors>(o, tile, row, first);
    } else if constexpr (kRows > 1) {
        multiply_any<T, kVectors, kRows - 1>(rows, o, tile, row, first);
    }
}

template <class T, int kVectors>
void multiply_vectors(const Operands<T>& all, std::int64_t rows, T* tile, std::int64_t row) {
    constexpr int kRows = tile_rows(kVectors);
    const std::int64_t bands =
        (rows + kRows - 1) / kRows;  // of about equal height: a band of two rows wastes registers
    for (std::int64_t k = 0; k == 0 || k < all.k; k += kPiece) {
        Operands<T> o = all;
        o.k = all.k - k < kPiece ? all.k - k : kPiece;
        for (int v = 0; v < kVectors; ++v) o.b[v] += k * o.b_step;
        for (std::int64_t band = 0; band < bands; ++band) {
            const std::int64_t begin = rows * band / bands, end = rows * (band + 1) / bands;
            o.a = all.a + begin * all.a_row + k;
            multiply_any<T, kVectors, kRows>(end - begin, o, tile + begin * row, row, k == 0);
        }
    }
}

}  // namespace

template <class T>
void multiply_packed(const T* a, std::int64_t a_stride, std::int64_t rows, const Packed<T>& w, std::int64_t block,
                     std::int64_t blocks, T* tile) {
    const int vectors = static_cast<int>(blocks) * w.gates;
    const std::int64_t row = vectors * kLanes<T>;
    Operands<T> o{a, a_stride, 1, {}, w.gates * kLanes<T>, w.k};
    for (int first = 0; first < vectors; first += kMaxVectors) {
        const int count = vectors - first < kMaxVectors ? vectors - first : kMaxVectors;
        for (int v = 0; v < count; ++v)
            o.b[v] = w.values + (block + (first + v) / w.gates) * w.block_stride() + (first + v) % w.gates * kLanes<T>;
        T* to = tile + first * kLanes<T>;
        switch (count) {
            case 1:
                multiply_vectors<T, 1>(o, rows, to, row);
                break;
            case 2:
                multiply_vectors<T, 2>(o, rows, to, row);
                break;
            case 3:
                multiply_vectors<T, 3>(o, rows, to, row);
                break;
            default:
                multiply_vectors<T, 4>(o, rows, to, row);
                break;
        }
    }
}

template void multiply_packed<float>(const float*, std::int64_t, std::int64_t, const Packed<float>&, std::int64_t,
                                     std::int64_t, float*);
template void multiply_packed<double>(const double*, std::int64_t, std::int64_t, const Packed<double>&, std::int64_t,
                                      std::int64_t, double*);

template <class T>
std::int64_t packed_bytes(const Packing& p) {
    const bool gates = p.kind == Packing::Kind::gates;
    const std::int64_t outputs = gates ? p.units : p.cols;
    const std::int64_t values =
        (outputs + kLanes<T> - 1) / kLanes<T> * kLanes<T> * p.gates * (gates ? p.cols : p.units);
    return (values * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64;
}

template <class T>
void pack(const Packing& p, const void* w, void* packed, const Context& context) {
    constexpr std::int64_t kL = kLanes<T>;
    const T* from = static_cast<const T*>(w);
    T* const out = static_cast<T*>(packed);
    const bool gates = p.kind == Packing::Kind::gates;
    const std::int64_t outputs = gates ? p.units : p.cols;
    const std::int64_t k_count = gates ? p.cols : p.gates * p.units, width = (gates ? p.gates : 1) * kL;
    context.pool.parallel_for(
        (outputs + kL - 1) / kL, 1 + (1 << 14) / (k_count * width + 1), [=](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t block = begin; block < end; ++block) {
                T* const to = out + block * k_count * width;
                const int units = static_cast<int>(outputs - block * kL < kL ? outputs - block * kL : kL);
                if (gates) {
                    for (std::int64_t g = 0; g < p.gates; ++g)
                        columns_of_rows(from + (g * p.units + block * kL) * p.cols, p.cols, units, k_count, to + g * kL,
                                        width);
                } else {
                    for (std::int64_t k = 0; k < k_count; ++k) {
                        const T* const row = from + k * p.cols + block * kL;
                        (units == kL ? Pack<T>::load(row) : load_first(row, units)).store(to + k * kL);
                    }
                }
            }
        });
}

template std::int64_t packed_bytes<float>(const Packing&);
template std::int64_t packed_bytes<double>(const Packing&);
template void pack<float>(const Packing&, const void*, void*, const Context&);
template void pack<double>(const Packing&, const void*, void*, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
