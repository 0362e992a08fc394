#pragma once
/// A cell's time loops compiled for a storage type, and how they are launched.
#include "persistent/backward.cuh"
#include "persistent/forward.cuh"
#include "rondo/cell/registry.hpp"

namespace rondo::kernels {

/// The cells whose loops are compiled: those that cuDNN has as well. Others are stepped through.
template <class Cell>
inline constexpr bool kHasLoops = false;
template <class Activation>
inline constexpr bool kHasLoops<cell::Vanilla<Activation>> = true;
template <>
inline constexpr bool kHasLoops<cell::Lstm<false, false>> = true;
template <>
inline constexpr bool kHasLoops<cell::Gru> = true;

template <class Arguments>
void launch_loop(const char* name, void (*kernel)(Directions<Arguments>, Geometry),
                 const Directions<Arguments>& directions, const Geometry& geometry, cudaStream_t stream) {
    device::launch(
        {.kernel = name,
         .grid = dim3(static_cast<unsigned>(geometry.groups * geometry.ranks), static_cast<unsigned>(directions.count)),
         .block = dim3(static_cast<unsigned>(geometry.threads())),
         .cluster = dim3(static_cast<unsigned>(geometry.cluster)),
         .shared_bytes = geometry.shared_bytes,
         .cooperative = geometry.exchange == Exchange::grid,
         .stream = stream},
        kernel, directions, geometry);
}

template <class Cell, class S>
void launch_loop_forward(const Directions<LoopForward>& directions, const Geometry& geometry, cudaStream_t stream) {
    launch_loop("loop_forward", loop_forward<Cell, S>, directions, geometry, stream);
}
template <class Cell, class S>
void launch_loop_backward(const Directions<LoopBackward>& directions, const Geometry& geometry, cudaStream_t stream) {
    launch_loop("loop_backward", loop_backward<Cell, S>, directions, geometry, stream);
}

template <DType kType>
LoopLaunches find_loops(std::string_view cell, CellOptions options) {
    using S = Storage<kType>;
    LoopLaunches found;
    visit_cell(cell, options, [&]<class Cell>() {
        if constexpr (kHasLoops<Cell>)
            found = {launch_loop_forward<Cell, S>, launch_loop_backward<Cell, S>,
                     reinterpret_cast<const void*>(loop_forward<Cell, S>),
                     reinterpret_cast<const void*>(loop_backward<Cell, S>)};
    });
    return found;
}

}  // namespace rondo::kernels
