// to[begins[b] + t,b,:] = from[t,rows[b],:] for t < lengths[rows[b]]: bits, of whatever type
//   to [..,B] and from [T,F] rows of so many bytes   rows, begins [B] or null: b, 0   lengths [F] or null: T
//   traffic: twice the bytes that are valid; memory-bound; deterministic
#include "elements.cuh"
#include "sequence.hpp"

namespace rondo::kernels {

template <class Word>
__global__ void __launch_bounds__(kThreads) copy_rows_kernel(const CopyRowsArrays a) {
    const std::int64_t words = a.bytes / static_cast<std::int64_t>(sizeof(Word));
    for (std::int64_t i = global_thread(); i < a.steps * a.batch * words; i += grid_threads()) {
        const Place at = place_of(i, words), step = place_of(at.row, a.batch);
        const std::int64_t row = a.rows == nullptr ? step.column : a.rows[step.column];
        if (!takes(a.lengths, row, step.row)) continue;
        const std::int64_t begin = a.begins == nullptr ? 0 : a.begins[step.column];
        static_cast<Word*>(a.to)[((begin + step.row) * a.batch + step.column) * words + at.column] =
            static_cast<const Word*>(a.from)[(step.row * a.from_batch + row) * words + at.column];
    }
}

namespace {

template <class Word>
bool launch_copy_rows(const CopyRowsArrays& a, cudaStream_t stream) {
    constexpr std::int64_t kBytes = sizeof(Word);
    if (a.bytes % kBytes != 0 || !all_aligned<1>(sizeof(Word), a.from, a.to)) return false;
    device::launch({.kernel = "copy_rows",
                    .grid = striding_blocks(a.steps * a.batch * (a.bytes / kBytes)),
                    .block = kThreads,
                    .stream = stream},
                   copy_rows_kernel<Word>, a);
    return true;
}

}  // namespace

void copy_rows(const CopyRowsArrays& a, cudaStream_t stream) {
    if (a.steps * a.batch * a.bytes == 0) return;
    if (!launch_copy_rows<uint4>(a, stream) && !launch_copy_rows<std::uint32_t>(a, stream) &&
        !launch_copy_rows<std::uint16_t>(a, stream))
        refuse("bytes", a.bytes, "must be a multiple of 2, and the rows aligned to it");
}

}  // namespace rondo::kernels
