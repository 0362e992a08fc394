// The table of one instruction set.
#include "cpu/table.hpp"

#include "cpu/isa/additive_attention.hpp"
#include "cpu/isa/attention.hpp"
#include "cpu/isa/loop.hpp"
#include "cpu/isa/product.hpp"
#include "cpu/isa/rows.hpp"
#include "cpu/isa/softmax.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

template <class T>
void evaluate(Elementary function, const void* x, void* y, std::int64_t count) {
    const T* const from = static_cast<const T*>(x);
    T* const to = static_cast<T*>(y);
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
        const int n = static_cast<int>(smaller(kLanes<T>, count - i));
        Pack<T> v = load_first(from + i, n);
        switch (function) {
            case Elementary::exp:
                v = exp(v);
                break;
            case Elementary::tanh:
                v = tanh(v);
                break;
            case Elementary::sigmoid:
                v = sigmoid(v);
                break;
            case Elementary::log:
                v = log(v);
                break;
        }
        store_first(v, to + i, n);
    }
}

template <class T>
constexpr Functions functions(const CellTable* cells) {
    return {product<T>,
            packed_bytes<T>,
            pack<T>,
            step_forward<T>,
            project_forward<T>,
            step_backward<T>,
            gradient_of_h<T>,
            scan_forward<T>,
            scan_backward<T>,
            column_sums<T>,
            evaluate<T>,
            cells,
            softmax_row<T>,
            attention_forward<T>,
            attention_backward<T>,
            attention_weights<T>,
            additive_attention_forward<T>,
            additive_attention_backward<T>};
}

constexpr std::size_t kScratchBytes = Blocking<float>::kScratchBytes > Blocking<double>::kScratchBytes
                                          ? Blocking<float>::kScratchBytes
                                          : Blocking<double>::kScratchBytes;

}  // namespace

extern const Table kTable;  // cpu/isa.cpp reads it
constinit const Table kTable{kScratchBytes, functions<float>(&kCellsF32), functions<double>(&kCellsF64)};

}  // namespace rondo::cpu::RONDO_ISA
