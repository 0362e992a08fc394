/// Attention whose scores are vector · tanh(q + k): rows over the threads. What is done with one is the instruction set's
/// code.
#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "cpu/table.hpp"

namespace rondo {
namespace {

const cpu::Functions& functions_of(const cpu::Table& table, const AdditiveAttention& a) {
    const bool wide = a.dtype == DType::f64;
    require(wide || a.dtype == DType::f32, "dtype", a.dtype, "must be f32 or f64 on the CPU");
    return wide ? table.f64 : table.f32;
}

}  // namespace

void CpuBackend::additive_attention_forward(const AdditiveAttention& a, Stream) {
    const cpu::Functions& functions = functions_of(*table_, a);
    pool_.parallel_for(a.batch, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t b = begin; b < end; ++b) functions.additive_attention_forward(a, b);
    });
}

void CpuBackend::additive_attention_backward(const AdditiveAttention& a, Stream) {
    const cpu::Functions& functions = functions_of(*table_, a);
    cpu::with_type(a.dtype, [&]<class T>() {
        T* shares = static_cast<T*>(a.scratch) + a.queries * a.batch * a.keys;
        pool_.parallel_for(a.batch, 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t b = begin; b < end; ++b)
                functions.additive_attention_backward(a, b, shares + b * a.width);
        });
        T* dvector = static_cast<T*>(a.dvector);
        if (!a.add_to_dvector) std::fill(dvector, dvector + a.width, T(0));
        for (std::int64_t b = 0; b < a.batch; ++b)
            for (std::int64_t i = 0; i < a.width; ++i) dvector[i] += shares[b * a.width + i];
    });
}

}  // namespace rondo
