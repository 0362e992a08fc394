/// Rows of a table by id, and their gradients.
#include <algorithm>
#include <cstring>

#include "cpu/cpu_backend.hpp"
#include "cpu/ops/typed.hpp"

namespace rondo {
namespace {

void require_same(DType dtype, DType table_dtype) {
    if (table_dtype != dtype)
        refuse("table_dtype", table_dtype, detail::concat("must be that of the rows on the CPU, ", dtype));
}

}  // namespace

void CpuBackend::embedding_forward(DType dtype, void* out, DType table_dtype, const void* table,
                                   const std::int32_t* ids, std::int64_t rows, std::int64_t cols, Stream) {
    require_same(dtype, table_dtype);
    const std::int64_t bytes = cols * size_of(dtype);
    auto* to = static_cast<std::byte*>(out);
    const auto* from = static_cast<const std::byte*>(table);
    pool_.parallel_for(rows, std::max<std::int64_t>(1, cpu::kGrain / std::max<std::int64_t>(1, cols)),
                       [&](std::int64_t begin, std::int64_t end, int) {
                           for (std::int64_t r = begin; r < end; ++r)
                               std::memcpy(to + r * bytes, from + ids[r] * bytes, static_cast<std::size_t>(bytes));
                       });
}

void CpuBackend::embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout,
                                    const std::int32_t* ids, std::int64_t rows, std::int64_t cols, std::int64_t classes,
                                    Stream) {
    require_same(dtype, table_dtype);
    for (std::int64_t r = 0; r < rows; ++r)
        if (ids[r] < 0 || ids[r] >= classes)
            refuse(detail::concat("ids[", r, "]"), ids[r], detail::concat("must be in [0, ", classes, ")"));
    cpu::with_type(dtype, [&]<class T>() {
        auto* table = static_cast<T*>(dtable);
        const auto* gradient = static_cast<const T*>(dout);
        // Threads share out the columns, so that each sum takes its rows in order whatever their number.
        const std::int64_t grain = std::max<std::int64_t>(32, cpu::kGrain / std::max<std::int64_t>(1, rows));
        pool_.parallel_for(cols, grain, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t r = 0; r < rows; ++r) {
                T* to = table + ids[r] * cols;
                const T* from = gradient + r * cols;
                for (std::int64_t i = begin; i < end; ++i) to[i] += from[i];
            }
        });
    });
}

}  // namespace rondo
