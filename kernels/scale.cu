// x[i] = factor·x[i], and x[i] = clamp(x[i], ±limit) (NaN stays NaN), in place
//   traffic: 2·S bytes an element; memory-bound; deterministic
#include "arrays.hpp"
#include "elements.cuh"
#include "rondo/cell/math.hpp"

namespace rondo::kernels {

template <class C>
struct Scale {
    C factor;
    RONDO_DEVICE C operator()(C x) const { return x * factor; }
};
template <class C>
struct Clamp {
    C limit;
    RONDO_DEVICE C operator()(C x) const { return math::clamp(x, limit); }
};

template <class S, class Map, int kCount>
__global__ void __launch_bounds__(kThreads) map_kernel(S* x, std::int64_t count, const Map map) {
    for (std::int64_t i = global_thread() * kCount; i < count; i += grid_threads() * kCount) {
        Compute<S> value[kCount];
        load(value, x + i);
#pragma unroll
        for (int j = 0; j < kCount; ++j) value[j] = map(value[j]);
        store(x + i, value);
    }
}

namespace {

template <class S, class Map>
void launch_map(const char* name, void* x, std::int64_t count, const Map& map, cudaStream_t stream) {
    if (count == 0) return;
    constexpr int kCount = kWide<S>;
    const bool wide = count % kCount == 0 && all_aligned<kCount>(sizeof(S), x);
    device::launch(
        {.kernel = name, .grid = striding_blocks(wide ? count / kCount : count), .block = kThreads, .stream = stream},
        wide ? map_kernel<S, Map, kCount> : map_kernel<S, Map, 1>, static_cast<S*>(x), count, map);
}

}  // namespace

void scale(DType dtype, void* x, std::int64_t count, double factor, cudaStream_t stream) {
    with_storage(dtype, [&]<class S>() {
        using C = Compute<S>;
        launch_map<S>("scale", x, count, Scale<C>{static_cast<C>(factor)}, stream);
    });
}

void clamp(DType dtype, void* x, std::int64_t count, double limit, cudaStream_t stream) {
    with_storage(dtype, [&]<class S>() {
        using C = Compute<S>;
        launch_map<S>("clamp", x, count, Clamp<C>{static_cast<C>(limit)}, stream);
    });
}

}  // namespace rondo::kernels
