/// A softmax over a few classes that are drawn.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "rondo/philox.hpp"

namespace rondo {

using cpu::kGrain;
using cpu::with_type;

void CpuBackend::draw_candidates(const DrawCandidates& d, Stream) {
    for (std::int64_t r = 0; r < d.rows; ++r) {
        const std::int32_t target = d.targets[r];
        d.ids[r] = std::max(target, 0);
        d.places[r] = target < 0 ? -1 : static_cast<std::int32_t>(d.samples);
    }
    for (std::int64_t j = 0; j < d.samples; ++j) {
        const double at = stratified_uniform(d.random->seed, d.random->step, j, d.samples);
        // The last class also where rounding leaves `at` at 1.
        const double* found = std::upper_bound(d.cumulated, d.cumulated + d.classes - 1, at);
        const double q = *found - (found == d.cumulated ? 0 : found[-1]);
        d.ids[d.rows + j] = static_cast<std::int32_t>(found - d.cumulated);
        d.log_counts[j] = std::log(static_cast<double>(d.samples) * q);
    }
}

namespace {

template <class T>
void candidate_row(const CandidateLogits& c, std::int64_t r) {
    const std::int32_t target = c.ids[r];
    const std::int32_t* samples = c.ids + c.rows;
    T* row = static_cast<T*>(c.logits) + r * c.columns;
    for (std::int64_t j = 0; j < c.samples; ++j)
        row[j] = samples[j] == target ? -std::numeric_limits<T>::infinity()
                                      : static_cast<T>(static_cast<double>(row[j]) - c.log_counts[j]);
    const T *x = static_cast<const T*>(c.x) + r * c.width, *w = static_cast<const T*>(c.weight) + r * c.width;
    T sum = c.bias ? static_cast<const T*>(c.bias)[r] : T(0);
    for (std::int64_t i = 0; i < c.width; ++i) sum += x[i] * w[i];
    row[c.samples] = sum;
    std::fill(row + c.samples + 1, row + c.columns, -std::numeric_limits<T>::infinity());
}

}  // namespace

void CpuBackend::candidate_logits(const CandidateLogits& c, Stream) {
    with_type(c.dtype, [&]<class T>() {
        pool_.parallel_for(c.rows, 1 + kGrain / (c.columns + c.width), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = begin; r < end; ++r) candidate_row<T>(c, r);
        });
    });
}

void CpuBackend::scale_rows(const ScaleRows& s, Stream) {
    with_type(s.dtype, [&]<class T>() {
        pool_.parallel_for(s.rows, 1 + kGrain / (s.cols + 1), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = begin; r < end; ++r) {
                const T factor = static_cast<const T*>(s.factors)[r * s.factor_stride];
                T* to = static_cast<T*>(s.to) + r * s.cols;
                const T* from = static_cast<const T*>(s.from) + (s.from ? r * s.cols : 0);
                if (!s.add) std::fill(to, to + s.cols, T(0));
                for (std::int64_t i = 0; factor != T(0) && i < s.cols; ++i) to[i] += s.from ? factor * from[i] : factor;
            }
        });
    });
}

}  // namespace rondo
