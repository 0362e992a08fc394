// to[i] = from[i], i < bytes, of several arrays; grid: blocks x arrays
//   traffic: twice the bytes; what it saves is launches; deterministic
#include "arrays.hpp"
#include "elements.cuh"

namespace rondo::kernels {

template <class Word>
__global__ void __launch_bounds__(kThreads) copy_all_kernel(const CopyArrays a) {
    const CopyArrays::Part& part = a.parts[blockIdx.y];
    const std::int64_t words = part.bytes / static_cast<std::int64_t>(sizeof(Word));
    for (std::int64_t i = global_thread(); i < words; i += grid_threads())
        static_cast<Word*>(part.to)[i] = static_cast<const Word*>(part.from)[i];
}

namespace {

template <class Word>
bool launch_copy_all(const CopyArrays& a, std::int64_t most, cudaStream_t stream) {
    constexpr std::int64_t kBytes = sizeof(Word);
    for (int i = 0; i < a.count; ++i)
        if (a.parts[i].bytes % kBytes != 0 || !all_aligned<1>(sizeof(Word), a.parts[i].to, a.parts[i].from))
            return false;
    device::launch({.kernel = "copy_all",
                    .grid = dim3(striding_blocks(most / kBytes).x, static_cast<unsigned>(a.count)),
                    .block = kThreads,
                    .stream = stream},
                   copy_all_kernel<Word>, a);
    return true;
}

}  // namespace

void copy_all(const CopyArrays& a, cudaStream_t stream) {
    std::int64_t most = 0;
    for (int i = 0; i < a.count; ++i) most = a.parts[i].bytes > most ? a.parts[i].bytes : most;
    if (most == 0) return;
    if (!launch_copy_all<uint4>(a, most, stream) && !launch_copy_all<std::uint32_t>(a, most, stream) &&
        !launch_copy_all<std::uint16_t>(a, most, stream))
        refuse("bytes", most, "must be multiples of 2, and the arrays aligned to it");
}

}  // namespace rondo::kernels
