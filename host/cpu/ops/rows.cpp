/// Rows copied, summed and pooled, and what a loop's steps need.
#include <cstring>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"
#include "rondo/philox.hpp"

namespace rondo {

using cpu::kGrain;
using cpu::with_type;

void CpuBackend::step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                              Stream) {
    for (std::int64_t t = 0; t < steps; ++t)
        for (std::int64_t b = 0; b < batch; ++b) to[t * batch + b] = t < lengths[b] ? 1 : 0;
}

void CpuBackend::random_states(const RandomState* from, std::int64_t count, RandomState* to, Stream) {
    for (std::int64_t i = 0; i < count; ++i)
        to[i] = {philox_subseed(from->seed, static_cast<std::uint64_t>(i)), from->step};
}

void CpuBackend::select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                            std::int32_t* out, Stream) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = which[i] != 0 ? a[i] : std::max(b[i], 0);
}

void CpuBackend::map_rows(const RowMap& m, Stream) {
    with_type(m.dtype, [&]<class T>() {
        pool_.parallel_for(m.rows, 1 + kGrain / (m.cols + 1), [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = begin; r < end; ++r) {
                const std::int64_t shift = m.shifts ? m.shifts[r % m.divide] : 0;
                const T* from = static_cast<const T*>(m.from) + (r / m.divide + shift) % m.modulo * m.from_stride;
                T* to = static_cast<T*>(m.to) + r * m.to_stride;
                if (m.add)
                    for (std::int64_t i = 0; i < m.cols; ++i) to[i] += from[i];
                else
                    std::copy(from, from + m.cols, to);
            }
        });
    });
}

void CpuBackend::sum_rows(const RowSums& s, Stream) {
    with_type(s.dtype, [&]<class T>() {
        const std::int64_t grain = 1 + kGrain / (s.cols * s.items + 1);
        pool_.parallel_for(s.groups, grain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t g = begin; g < end; ++g) {
                T* to = static_cast<T*>(s.to) + g * s.cols;
                if (!s.add) std::fill(to, to + s.cols, T(0));
                for (std::int64_t i = 0; i < s.items; ++i) {
                    const T* from =
                        static_cast<const T*>(s.from) + (g * s.group_step + i * s.item_step) * s.from_stride;
                    for (std::int64_t c = 0; c < s.cols; ++c) to[c] += from[c];
                }
            }
        });
    });
}

void CpuBackend::copy_rows(const CopyRows& c, Stream) {
    const auto bytes = static_cast<std::size_t>(c.bytes);
    pool_.parallel_for(c.batch, 1 + kGrain / (c.steps * c.bytes + 1), [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t b = begin; b < end; ++b) {
            const std::int64_t row = c.rows ? c.rows[b] : b, steps = c.lengths ? c.lengths[row] : c.steps;
            std::byte* to = static_cast<std::byte*>(c.to) + ((c.begins ? c.begins[b] : 0) * c.batch + b) * c.bytes;
            const std::byte* from = static_cast<const std::byte*>(c.from) + row * c.bytes;
            for (std::int64_t t = 0; t < steps; ++t)
                std::memcpy(to + t * c.batch * c.bytes, from + t * c.from_batch * c.bytes, bytes);
        }
    });
}

void CpuBackend::advance(const Advance& a, Stream) {
    for (std::int64_t b = 0; b < a.batch; ++b) {
        const std::int64_t before = a.before ? a.before[b] : 0, steps = a.lengths ? a.lengths[b] : a.steps;
        if (before < 0 || before > a.most - steps)
            refuse(detail::concat("steps of row ", b), before + steps,
                   detail::concat("must be at most ", a.most, ", what it has memory or positions for"));
        a.begins[b] = before;
        a.ends[b] = before + steps;
    }
}

namespace {

std::int64_t length_of(const Pool& p, std::int64_t b) { return p.lengths ? p.lengths[b] : p.steps; }

template <class T>
void pool_row(const Pool& p, std::int64_t b) {
    const std::int64_t length = length_of(p, b), step = p.batch * p.width;
    const T* x = static_cast<const T*>(p.x) + b * p.width;
    T* y = static_cast<T*>(p.y) + b * p.width;
    std::int32_t* chosen = p.chosen ? p.chosen + b * p.width : nullptr;
    if (chosen) std::fill(chosen, chosen + p.width, length > 0 ? 0 : -1);
    std::fill(y, y + p.width, T(0));
    if (length == 0) return;
    switch (p.kind) {
        case PoolSpec::Kind::last:
            std::copy(x + (length - 1) * step, x + (length - 1) * step + p.width, y);
            return;
        case PoolSpec::Kind::mean:
            for (std::int64_t t = 0; t < length; ++t)
                for (std::int64_t i = 0; i < p.width; ++i) y[i] += x[t * step + i];
            for (std::int64_t i = 0; i < p.width; ++i) y[i] /= static_cast<T>(length);
            return;
        case PoolSpec::Kind::max:
            std::copy(x, x + p.width, y);
            for (std::int64_t t = 1; t < length; ++t)
                for (std::int64_t i = 0; i < p.width; ++i)
                    if (x[t * step + i] > y[i] || x[t * step + i] != x[t * step + i]) {  // NaN stays
                        y[i] = x[t * step + i];
                        if (chosen) chosen[i] = static_cast<std::int32_t>(t);
                    }
            return;
    }
}

template <class T>
void pool_row_backward(const Pool& p, std::int64_t b) {
    const std::int64_t length = length_of(p, b), step = p.batch * p.width;
    const T* dy = static_cast<const T*>(p.dy) + b * p.width;
    T* dx = static_cast<T*>(p.dx) + b * p.width;
    const bool mean = p.kind == PoolSpec::Kind::mean;
    for (std::int64_t t = 0; t < p.steps; ++t)
        for (std::int64_t i = 0; i < p.width; ++i)
            dx[t * step + i] = mean && t < length ? dy[i] / static_cast<T>(length) : T(0);
    if (mean || length == 0) return;
    const std::int32_t* chosen = p.chosen ? p.chosen + b * p.width : nullptr;
    for (std::int64_t i = 0; i < p.width; ++i) dx[(chosen ? chosen[i] : length - 1) * step + i] = dy[i];
}

}  // namespace

void CpuBackend::pool_forward(const Pool& p, Stream) {
    with_type(p.dtype, [&]<class T>() {
        pool_.parallel_for(p.batch, 1 + kGrain / (p.steps * p.width + 1),
                           [&](std::int64_t begin, std::int64_t end, int) {
                               for (std::int64_t b = begin; b < end; ++b) pool_row<T>(p, b);
                           });
    });
}

void CpuBackend::pool_backward(const Pool& p, Stream) {
    with_type(p.dtype, [&]<class T>() {
        pool_.parallel_for(p.batch, 1 + kGrain / (p.steps * p.width + 1),
                           [&](std::int64_t begin, std::int64_t end, int) {
                               for (std::int64_t b = begin; b < end; ++b) pool_row_backward<T>(p, b);
                           });
    });
}

}  // namespace rondo
