// One step backward.
#include "cpu/isa/loop.hpp"
#include "cpu/isa/rows.hpp"

namespace rondo::cpu::RONDO_ISA {
namespace {

/// W_hh's rows of a stage as dgates are multiplied with them.
template <class T>
Packed<T> transposed(const LoopLayer& layer, int stage, const void* packed) {
    const std::int64_t units = stage == 0 ? layer.width : layer.hidden;
    return {static_cast<const T*>(packed), layer.kernels->stage[stage].gates * layer.hidden, units, 1};
}

bool clips_by_norm(const LoopLayer& layer, const IncomingGradient& dh) {
    return dh.dgates_h && layer.recurrent_clip.kind == RecurrentClip::Kind::norm;
}

/// Σ x², in double and in a fixed order.
template <class T>
double sum_of_squares(const T* x, std::int64_t n) {
    constexpr int kL = 8;
    double sums[kL] = {};
    std::int64_t i = 0;
    for (; i + kL <= n; i += kL)
        for (int j = 0; j < kL; ++j) sums[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
    for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/// out = carry + product, each row then scaled down to the limit. What this step's outputs bring is left to others.
template <class T>
void through_time_by_norm(const LoopLayer& layer, const IncomingGradient& dh, std::int64_t t, T* out,
                          const Context& context) {
    const Packed<T> w = transposed<T>(layer, 0, dh.packed);
    const Incoming<T> incoming(layer, t, dh);
    for_tiles(static_cast<const T*>(dh.dgates_h), dh.dgates_stride, layer.batch, w, context, [&](const Tile& tile) {
        for_packs<T>(tile, 1, [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product) {
            store<kWhole>(incoming.template through_time<kWhole>(row, unit, n, product), out + row * layer.width + unit,
                          n);
        });
    });
    const double limit = layer.recurrent_clip.limit;
    context.pool.parallel_for(layer.batch, 1 + kGrain / (layer.width + 1),
                              [&](std::int64_t begin, std::int64_t end, int) {
                                  for (std::int64_t row = begin; row < end; ++row) {
                                      if (!takes(layer, row, dh.later)) continue;
                                      T* const x = out + row * layer.width;
                                      const double norm = __builtin_sqrt(sum_of_squares(x, layer.width));
                                      if (!(norm > limit)) continue;
                                      const T factor = static_cast<T>(limit / norm);
                                      for (std::int64_t i = 0; i < layer.width; ++i) x[i] *= factor;
                                  }
                              });
}

/// The incoming gradient once through_time_by_norm has put its first part into `out`.
IncomingGradient rest_of(IncomingGradient dh, const void* out) {
    dh.carry = out;
    dh.dgates_h = nullptr;
    return dh;
}

/// dstate[0] of a projected layer: zero, but dh_whole for idle rows. Last of all, for it may be dh_whole.
template <class T>
void projected_dstate(const StepBackward& step) {
    const LoopLayer& layer = *step.layer;
    const T* const dh = static_cast<const T*>(step.dh_whole);
    T* const out = static_cast<T*>(step.dstate[0]);
    for (std::int64_t row = 0; row < layer.batch; ++row) {
        const bool active = takes(layer, row, step.t);
        for (std::int64_t i = row * layer.width; i < (row + 1) * layer.width; ++i) out[i] = active ? T(0) : dh[i];
    }
}

}  // namespace

template <class T>
void step_backward(const StepBackward& given, const Context& context) {
    StepBackward step = given;
    const LoopLayer& layer = *step.layer;
    const bool last = step.stage + 1 == layer.kernels->stages;
    const T* a;  // what is multiplied, by what
    std::int64_t stride;
    Packed<T> w;
    if (!last) {
        a = static_cast<const T*>(step.next_stage_dgates);
        stride = step.next_stage_stride;
        w = transposed<T>(layer, step.stage + 1, step.next_stage_packed);
    } else if (layer.projected) {
        a = static_cast<const T*>(step.dh_whole);
        stride = layer.width;
        w = {static_cast<const T*>(step.projection), layer.width, layer.hidden, 1};
    } else {
        if (clips_by_norm(layer, step.dh)) {
            T* const out = static_cast<T*>(step.dstate[0]);
            through_time_by_norm(layer, step.dh, step.t, out, context);
            step.dh = rest_of(step.dh, out);
        }
        a = static_cast<const T*>(step.dh.dgates_h);
        stride = step.dh.dgates_stride;
        w = transposed<T>(layer, 0, step.dh.packed);
    }
    const auto map = layer.kernels->backward[step.stage];
    if (layer.kernels->row_wise) {
        T *const whole = static_cast<T*>(layer.scratch), *const told = static_cast<T*>(step.dh_told);
        const Incoming<T> incoming(layer, step.t, step.dh);
        for_tiles(a, stride, layer.batch, w, context, [&](const Tile& tile) {
            for_packs<T>(tile, 1, [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product) {
                const Pack<T> d = incoming.template through_time<kWhole>(row, unit, n, product);
                const Pack<T> dh = incoming.template and_outputs<kWhole>(d, row, unit, n);
                store<kWhole>(dh, whole + row * layer.hidden + unit, n);
                if (told) store<kWhole>(dh, told + row * layer.hidden + unit, n);
            });
        });
        return for_rows(layer, context, [&](const Tile& rows) { map(step, rows); });
    }
    for_tiles(a, stride, layer.batch, w, context, [&](const Tile& tile) { map(step, tile); });
    if (last && layer.projected) projected_dstate<T>(step);
}

template <class T>
void gradient_of_h(const GradientOfH& step, const Context& context) {
    const LoopLayer& layer = *step.layer;
    T* const out = static_cast<T*>(step.out);
    IncomingGradient dh = step.dh;
    if (clips_by_norm(layer, dh)) {
        through_time_by_norm(layer, dh, step.t, out, context);
        dh = rest_of(dh, out);
    }
    const Incoming<T> incoming(layer, step.t, dh);
    for_tiles(static_cast<const T*>(dh.dgates_h), dh.dgates_stride, layer.batch, transposed<T>(layer, 0, dh.packed),
              context, [&](const Tile& tile) {
                  for_packs<T>(tile, 1, [&]<bool kWhole>(std::int64_t row, std::int64_t unit, int n, const T* product) {
                      const Pack<T> d = incoming.template through_time<kWhole>(row, unit, n, product);
                      store<kWhole>(incoming.template and_outputs<kWhole>(d, row, unit, n),
                                    out + row * layer.width + unit, n);
                  });
              });
}

template void step_backward<float>(const StepBackward&, const Context&);
template void step_backward<double>(const StepBackward&, const Context&);
template void gradient_of_h<float>(const GradientOfH&, const Context&);
template void gradient_of_h<double>(const GradientOfH&, const Context&);

}  // namespace rondo::cpu::RONDO_ISA
