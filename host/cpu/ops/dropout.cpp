/// Dropout: masks from Philox by element, so that neither threads nor chunks can change them.
#include <algorithm>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "rondo/philox.hpp"

namespace rondo {
namespace {

constexpr std::int64_t kBlock = 256;  ///< elements whose masks are drawn together

struct Keep {
    bool of[kBlock];
};

/// The masks of elements [first, first + kBlock); first is a multiple of 4.
void draw(const DropoutMask& mask, std::int64_t first, Keep& keep) {
    for (std::int64_t g = 0; g < kBlock / 4; ++g) {
        const Philox4 words = mask.words(static_cast<std::uint64_t>(first / 4 + g));
        for (int w = 0; w < 4; ++w) keep.of[g * 4 + w] = mask.keeps(words.word[w]);
    }
}

template <class T>
void apply(T* out, const T* x, const bool* keep, std::int64_t count, T factor) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = keep[i] ? (x ? x[i] * factor : factor) : T(0);
}

/// Elements [begin, end); the one at `out` is `origin`. One draw serves `repeats` places, `repeat_stride` apart.
template <class T>
void drop_range(T* out, const T* x, std::int64_t origin, std::int64_t begin, std::int64_t end, std::int64_t repeats,
                std::int64_t repeat_stride, const DropoutMask& mask, T factor) {
    Keep keep;
    for (std::int64_t block = begin / kBlock * kBlock; block < end; block += kBlock) {
        const std::int64_t from = std::max(begin, block), to = std::min(end, block + kBlock);
        draw(mask, block, keep);
        for (std::int64_t r = 0; r < repeats; ++r) {
            const std::int64_t at = r * repeat_stride + from - origin;
            apply(out + at, x ? x + at : nullptr, keep.of + (from - block), to - from, factor);
        }
    }
}

/// Zeros where t >= lengths[b], whatever lies there.
template <class T>
void clear_idle(T* out, const Dropout& d) {
    for (std::int64_t t = d.begin; t < d.end; ++t)
        for (std::int64_t b = 0; b < d.batch; ++b)
            if (t >= d.lengths[b]) std::fill_n(out + ((t - d.begin) * d.batch + b) * d.cols, d.cols, T(0));
}

}  // namespace

void CpuBackend::dropout(const Dropout& d, Stream) {
    const DropoutMask mask = dropout_mask(d.random->seed, d.random->step, d.site, d.rate);
    const std::int64_t step = d.batch * d.cols, steps = d.end - d.begin;
    const std::int64_t origin = d.per_sequence ? 0 : d.begin * step, drawn = d.per_sequence ? step : steps * step;
    const std::int64_t repeats = d.per_sequence ? steps : 1;
    cpu::with_type(d.dtype, [&]<class T>() {
        const T factor = d.rate < 1 ? static_cast<T>(1 / (1 - d.rate)) : T(0);
        auto* to = static_cast<T*>(d.out);
        const auto* from = static_cast<const T*>(d.x);
        pool_.parallel_for(drawn, std::max<std::int64_t>(1, cpu::kGrain / 4 / repeats),
                           [&](std::int64_t begin, std::int64_t end, int) {
                               drop_range(to, from, origin, origin + begin, origin + end, repeats, step, mask, factor);
                           });
        if (d.lengths) clear_idle(to, d);
    });
}

}  // namespace rondo
