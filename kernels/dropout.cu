// Steps [begin, end) of out[t,b,i] = keep(t,b,i) ? x[t,b,i] / (1 - rate) : 0, and 0 where t >= lengths[b]
//   keep from Philox (rondo/philox.hpp): one draw serves four neighbouring elements, which one thread takes
//   x, out [end - begin,B,I], x null: ones   seed, step in device memory   deterministic, the same bits as on the CPU
//   traffic: 2·S bytes an element; with 20 rounds of Philox for four elements nearly compute-bound
#include "elements.cuh"
#include "rondo/philox.hpp"
#include "rows.hpp"

namespace rondo::kernels {

struct Dropout {
    std::int64_t drawn, repeats;             // elements that have a mask of their own, and how many times it serves
    std::int64_t first_draw, draws, before;  // whose draws begin with this one, `before` elements of which are not ours
    std::int64_t begin, batch, cols;
    double rate;
    std::uint64_t site;
    const std::uint64_t *seed, *step;
    const std::int64_t* lengths;
};

/// Whether the element at a place of out is kept: drawn, and no padding.
RONDO_DEVICE bool keeps(const Dropout& a, const DropoutMask& mask, std::uint32_t word, std::int64_t at) {
    if (!mask.keeps(word)) return false;
    if (a.lengths == nullptr) return true;
    const Place step = place_of(place_of(at, a.cols).row, a.batch);
    return takes(a.lengths, step.column, a.begin + step.row);
}

/// kCount: how many of the four elements of a draw are read and written as one.
template <class S, int kCount>
__global__ void __launch_bounds__(kThreads) dropout_kernel(const Dropout a, S* out, const S* x) {
    using C = Compute<S>;
    const DropoutMask mask = dropout_mask(*a.seed, *a.step, a.site, a.rate);
    const C factor = a.rate < 1 ? static_cast<C>(1 / (1 - a.rate)) : C(0);
    for (std::int64_t i = global_thread(); i < a.draws * a.repeats; i += grid_threads()) {
        const Place draw = place_of(i, a.draws);
        const Philox4 words = mask.words(static_cast<std::uint64_t>(a.first_draw + draw.column));
        const std::int64_t first = draw.column * 4 - a.before;
#pragma unroll
        for (int w = 0; w < 4; w += kCount) {
            if (kCount == 1 && (first + w < 0 || first + w >= a.drawn)) continue;  // wider ones are all ours
            const std::int64_t at = draw.row * a.drawn + first + w;
            C value[kCount];
            fill(value, 1);
            if (x != nullptr) load(value, x + at);
#pragma unroll
            for (int j = 0; j < kCount; ++j)
                value[j] = keeps(a, mask, words.word[w + j], at + j) ? value[j] * factor : C(0);
            store(out + at, value);
        }
    }
}

void dropout(DType dtype, void* out, const void* x, std::int64_t begin, std::int64_t end, std::int64_t batch,
             std::int64_t cols, double rate, bool per_sequence, std::uint64_t site, const std::uint64_t* seed,
             const std::uint64_t* step, const std::int64_t* lengths, cudaStream_t stream) {
    const std::int64_t elements = batch * cols, steps = end - begin;
    if (steps * elements == 0) return;
    const std::int64_t first = per_sequence ? 0 : begin * elements, before = first % 4;
    const std::int64_t drawn = per_sequence ? elements : steps * elements, repeats = per_sequence ? steps : 1;
    const std::int64_t draws = device::ceil_div(before + drawn, 4);
    with_storage(dtype, [&]<class S>() {
        constexpr int kCount = sizeof(S) == 8 ? 2 : 4;
        const bool wide = before == 0 && drawn % 4 == 0 && all_aligned<kCount>(sizeof(S), out, x);
        device::launch(
            {.kernel = "dropout", .grid = striding_blocks(draws * repeats), .block = kThreads, .stream = stream},
            wide ? dropout_kernel<S, kCount> : dropout_kernel<S, 1>,
            Dropout{drawn, repeats, first / 4, draws, before, begin, batch, cols, rate, site, seed, step, lengths},
            static_cast<S*>(out), static_cast<const S*>(x));
    });
}

}  // namespace rondo::kernels
