// One step forward.
#include "cpu/isa/loop.hpp"
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {

template <class T>
void step_forward(const StepForward& step, const Context& context) {
    const LoopLayer& layer = *step.layer;
    const Stage& stage = layer.kernels->stage[step.stage];
    const std::int64_t k = step.stage == 0 ? layer.width : layer.hidden;
    const Packed<T> w{static_cast<const T*>(step.packed), k, layer.hidden, stage.gates};
    const auto map = layer.kernels->forward[step.stage];
    if (layer.kernels->row_wise) {
        T* const gates_h = static_cast<T*>(layer.scratch);
        for_tiles(static_cast<const T*>(step.operand), step.operand_stride, layer.batch, w, context,
                  [&](const Tile& tile) {
                      for_packs<T>(tile, stage.gates,
                                   [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product) {
                                       for (int g = 0; g < stage.gates; ++g)
                                           store<kWhole>(Pack<T>::load(product + g * kLanes<T>),
                                                         gates_h + (row * stage.gates + g) * layer.hidden + unit, n);
                                   });
                  });
        return for_rows(layer, context, [&](const Tile& rows) { map(step, rows); });
    }
    for_tiles(static_cast<const T*>(step.operand), step.operand_stride, layer.batch, w, context,
              [&](const Tile& tile) { map(step, tile); });
}

template <class T>
void project_forward(const ProjectForward& step, const Context& context) {
    const LoopLayer& layer = *step.layer;
    const Packed<T> w{static_cast<const T*>(step.packed), layer.hidden, layer.width, 1};
    const T* const before = static_cast<const T*>(step.h);
    T* const next = static_cast<T*>(step.next);
    const Output<T> y{static_cast<T*>(step.y), step.y_stride, static_cast<T>(step.y_scale), step.y_add};
    for_tiles(static_cast<const T*>(step.unprojected), layer.hidden, layer.batch, w, context, [&](const Tile& tile) {
        for_packs<T>(tile, 1, [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product) {
            const std::int64_t at = row * layer.width + unit;
            if (takes(layer, row, step.t)) {
                const Pack<T> h = Pack<T>::load(product);
                store<kWhole>(h, next + at, n);
                feed_back<T, kWhole>(layer, step.fed_back, h, at, n);
                y.template put<kWhole>(h, row, unit, n);
            } else {
                const Pack<T> h = load<kWhole>(before + at, n);
                store<kWhole>(h, next + at, n);
                feed_back<T, kWhole>(layer, step.fed_back, h, at, n);
                y.template put_idle<kWhole>(row, unit, n);
            }
        });
    });
}

template void step_forward<float>(const StepForward&, const Context&);
template void step_forward<double>(const StepForward&, const Context&);
template void project_forward<float>(const ProjectForward&, const Context&);
template void project_forward<double>(const ProjectForward&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
