/// Dot-product attention: rows and heads over the threads. What is done with one is the instruction set's code.
#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "cpu/table.hpp"

namespace rondo {
namespace {

/// f(functions, begin, end, scratch) over [0, count).
template <class F>
void over_threads(const Attention& a, const cpu::Table& table, const cpu::Context& c, std::int64_t count, const F& f) {
    const bool wide = a.dtype == DType::f64;
    require(wide || a.dtype == DType::f32, "dtype", a.dtype, "must be f32 or f64 on the CPU");
    const std::int64_t bytes = cpu::kAttentionKeys * (a.width + a.value_width) * size_of(a.dtype);
    require(bytes <= static_cast<std::int64_t>(c.scratch_bytes), "width", a.width,
            "is more than attention on the CPU has scratch memory for");
    const cpu::Functions& functions = wide ? table.f64 : table.f32;
    c.pool.parallel_for(count, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        f(functions, begin, end, c.scratch + static_cast<std::size_t>(thread) * c.scratch_bytes);
    });
}

}  // namespace

void CpuBackend::attention_forward(const Attention& a, Stream) {
    over_threads(a, *table_, context(), a.batch * a.heads,
                 [&](const cpu::Functions& f, std::int64_t begin, std::int64_t end, std::byte* scratch) {
                     for (std::int64_t i = begin; i < end; ++i) f.attention_forward(a, i, scratch);
                 });
}

void CpuBackend::attention_backward(const Attention& a, Stream) {
    over_threads(a, *table_, context(), a.batch * a.heads,
                 [&](const cpu::Functions& f, std::int64_t begin, std::int64_t end, std::byte* scratch) {
                     for (std::int64_t i = begin; i < end; ++i) f.attention_backward(a, i, scratch);
                 });
}

/// All heads of a row in one thread: they add to the same weights.
void CpuBackend::attention_weights(const AttentionWeights& w, Stream) {
    const Attention& a = *w.attention;
    over_threads(a, *table_, context(), a.batch,
                 [&](const cpu::Functions& f, std::int64_t begin, std::int64_t end, std::byte* scratch) {
                     for (std::int64_t i = begin * a.heads; i < end * a.heads; ++i)
                         f.attention_weights(a, w.weights, i, scratch);
                 });
}

}  // namespace rondo
