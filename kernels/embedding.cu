// out[r,:] = table[ids[r],:]
// dtable[i,:] += Σ dout[r,:] over the rows r with ids[r] = i, in the order of r, without atomics: rows are sorted by id
//   (stably, so that equal ids keep their order) and one block sums each run of equal ids
//   out, dout [R,E] in S   table, dtable [V,E] in S, or in f32 for 16-bit S   ids [R]
//   traffic: 2·S bytes an element forward, S and 2·S a different id backward; deterministic
#include <algorithm>

#include "cub/sort_pairs.hpp"
#include "elements.cuh"
#include "embedding.hpp"

namespace rondo::kernels {

template <class S, class W, int kCount>
__global__ void __launch_bounds__(kThreads)
    embedding_forward_kernel(S* out, const W* table, const std::int32_t* ids, std::int64_t rows, std::int64_t cols) {
    for (std::int64_t i = global_thread() * kCount; i < rows * cols; i += grid_threads() * kCount) {
        const Place at = place_of(i, cols);
        Compute<S> value[kCount];
        load(value, table + ids[at.row] * cols + at.column);
        store(out + i, value);
    }
}

/// numbers[i] = i
static __global__ void __launch_bounds__(kThreads) count_up(std::int32_t* numbers, std::int64_t count) {
    const std::int64_t i = global_thread();
    if (i < count) numbers[i] = static_cast<std::int32_t>(i);
}

/// Block i sums the run of equal ids that begins at place i of the sorted rows, if one does.
template <class W, class S>
__global__ void __launch_bounds__(kThreads)
    add_runs(W* dtable, const S* dout, const std::int32_t* ids, const std::int32_t* order, std::int64_t count,
             std::int64_t cols, std::int64_t classes) {
    const std::int64_t begin = blockIdx.x;
    const std::int32_t id = ids[begin];
    if (begin > 0 && ids[begin - 1] == id) return;
    if (id < 0 || id >= classes) return;
    for (std::int64_t column = threadIdx.x; column < cols; column += kThreads) {
        W* const to = dtable + id * cols + column;
        Compute<W> sum = to_compute(*to);
        for (std::int64_t i = begin; i < count && ids[i] == id; ++i) sum += to_compute(dout[order[i] * cols + column]);
        *to = to_storage<W>(sum);
    }
}

namespace {

/// f.operator()<W, S>() for the types of a table and of its rows.
template <class F>
void with_table(DType table_dtype, DType dtype, const F& f) {
    with_storage(dtype, [&]<class S>() {
        if (table_dtype == dtype) return f.template operator()<S, S>();
        if constexpr (sizeof(S) == 2) {
            if (table_dtype == DType::f32) return f.template operator()<float, S>();
        }
        refuse("table_dtype", table_dtype, "must be that of the rows, or f32 for rows of 16 bits");
    });
}

}  // namespace

void embedding_forward(DType dtype, void* out, DType table_dtype, const void* table, const std::int32_t* ids,
                       std::int64_t rows, std::int64_t cols, cudaStream_t stream) {
    if (rows * cols == 0) return;
    with_table(table_dtype, dtype, [&]<class W, class S>() {
        constexpr int kCount = kFull<W>;  // W is never narrower than S
        const bool wide =
            cols % kCount == 0 && all_aligned<kCount>(sizeof(S), out) && all_aligned<kCount>(sizeof(W), table);
        device::launch({.kernel = "embedding_forward",
                        .grid = striding_blocks(wide ? rows * cols / kCount : rows * cols),
                        .block = kThreads,
                        .stream = stream},
                       wide ? embedding_forward_kernel<S, W, kCount> : embedding_forward_kernel<S, W, 1>,
                       static_cast<S*>(out), static_cast<const W*>(table), ids, rows, cols);
    });
}

void embedding_backward(DType table_dtype, void* dtable, DType dtype, const void* dout, const std::int32_t* ids,
                        std::int64_t rows, std::int64_t cols, std::int64_t classes, void* scratch,
                        std::int64_t scratch_bytes, cudaStream_t stream) {
    if (cols == 0) return;
    constexpr std::int64_t kOfSort = 64 * 1024, kArrays = 3, kOfRow = 32 + kArrays * 4;
    const std::int64_t most = (scratch_bytes - kOfSort) / kOfRow / 64 * 64;  // rows of a part
    require(most > 0, "scratch", scratch_bytes, "must be more than 64 KiB");
    auto* const numbers = static_cast<std::int32_t*>(scratch);
    std::int32_t *const sorted = numbers + most, *const order = sorted + most;
    void* const of_sort = numbers + kArrays * most;
    const auto sort_bytes = static_cast<std::size_t>(scratch_bytes) - kArrays * most * sizeof(std::int32_t);
    // Part after part, so that every sum takes its rows in order.
    for (std::int64_t begin = 0; begin < rows; begin += most) {
        const std::int64_t count = std::min(rows - begin, most);
        device::launch(
            {.kernel = "count_up", .grid = device::blocks_for(count, kThreads), .block = kThreads, .stream = stream},
            count_up, numbers, count);
        sort_pairs(ids + begin, sorted, numbers, order, count, of_sort, sort_bytes, stream);
        with_table(table_dtype, dtype, [&]<class W, class S>() {
            device::launch(
                {.kernel = "add_runs", .grid = device::blocks_for(count, 1), .block = kThreads, .stream = stream},
                add_runs<W, S>, static_cast<W*>(dtable), static_cast<const S*>(dout) + begin * cols, sorted, order,
                count, cols, classes);
        });
    }
}

}  // namespace rondo::kernels
