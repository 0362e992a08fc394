// Small arrays for a part of a network that runs step by step
//   step_lengths: to [T,B] from lengths [B]   random_states: to [count] pairs from one   select_ids: out [count]
//   one thread an element; traffic: what is written, and as much or less read; deterministic
#include "elements.cuh"
#include "loop.hpp"
#include "rondo/philox.hpp"

namespace rondo::kernels {

static __global__ void __launch_bounds__(kThreads)
    step_lengths_kernel(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to) {
    for (std::int64_t i = global_thread(); i < steps * batch; i += grid_threads()) {
        const Place at = place_of(i, batch);
        to[i] = takes(lengths, at.column, at.row) ? 1 : 0;
    }
}

static __global__ void __launch_bounds__(kThreads)
    random_states_kernel(const std::uint64_t* seed, const std::uint64_t* step, std::int64_t count, std::uint64_t* to) {
    for (std::int64_t i = global_thread(); i < count; i += grid_threads()) {
        to[2 * i] = philox_subseed(*seed, static_cast<std::uint64_t>(i));
        to[2 * i + 1] = *step;
    }
}

static __global__ void __launch_bounds__(kThreads)
    select_ids_kernel(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                      std::int32_t* out) {
    for (std::int64_t i = global_thread(); i < count; i += grid_threads())
        out[i] = which[i] != 0 ? a[i] : b[i] > 0 ? b[i] : 0;
}

void step_lengths(const std::int64_t* lengths, std::int64_t steps, std::int64_t batch, std::int64_t* to,
                  cudaStream_t stream) {
    if (steps * batch == 0) return;
    device::launch(
        {.kernel = "step_lengths", .grid = striding_blocks(steps * batch), .block = kThreads, .stream = stream},
        step_lengths_kernel, lengths, steps, batch, to);
}

void random_states(const std::uint64_t* seed, const std::uint64_t* step, std::int64_t count, std::uint64_t* to,
                   cudaStream_t stream) {
    if (count == 0) return;
    device::launch({.kernel = "random_states", .grid = striding_blocks(count), .block = kThreads, .stream = stream},
                   random_states_kernel, seed, step, count, to);
}

void select_ids(const std::int32_t* which, const std::int32_t* a, const std::int32_t* b, std::int64_t count,
                std::int32_t* out, cudaStream_t stream) {
    if (count == 0) return;
    device::launch({.kernel = "select_ids", .grid = striding_blocks(count), .block = kThreads, .stream = stream},
                   select_ids_kernel, which, a, b, count, out);
}

}  // namespace rondo::kernels
