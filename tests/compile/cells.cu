// Every cell of the registry under nvcc, for every architecture of the build: the equations read the same on both sides.
#include <array>
#include <utility>

#include "rondo/cell/registry.hpp"

namespace rondo {
namespace {

template <class Cell>
using Stages = std::make_index_sequence<Cell::kStages.size()>;

/// One thread an element, all stages without the products between them: enough to make nvcc compile every map.
template <class Cell, class T, std::size_t... stage>
__device__ void run(ForwardElement<Cell, T>& forward, BackwardElement<Cell, T>& backward,
                    std::index_sequence<stage...>) {
    (Cell::template forward<int(stage)>(forward), ...);
    (Cell::template backward<int(sizeof...(stage) - 1 - stage)>(backward), ...);
}

template <class Cell, class T>
__global__ void step(ForwardElement<Cell, T>* forward, BackwardElement<Cell, T>* backward) {
    if constexpr (!kRowWise<Cell>) run(forward[threadIdx.x], backward[threadIdx.x], Stages<Cell>{});
    if constexpr (kScanned<Cell>) {
        auto& scan = *reinterpret_cast<ScanElement<Cell, T>*>(forward);
        Cell::forward(scan);
        scan.a = Cell::decay(scan.saved);
        Cell::backward(scan);
    }
}

template <class... Cells>
std::array<const void*, 2 * sizeof...(Cells)> kernels(TypeList<Cells...>) {
    return {reinterpret_cast<const void*>(&step<Cells, float>)...,
            reinterpret_cast<const void*>(&step<Cells, double>)...};
}

}  // namespace

/// Seen from outside, so that nothing of it is dropped.
const void* cell_kernel(std::size_t n) { return kernels(CellList{}).at(n); }

}  // namespace rondo
