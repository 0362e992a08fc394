#pragma once
/// Stand-ins for the CUDA runtime and cuBLASLt, linked in place of the real ones into a binary that runs kernels and
/// host/cuda without a GPU. This header is what a test may ask of them; everything else is CUDA's own interface, as far
/// as Rondo uses it (a function that is missing here is an error of the linker).
///
/// What they show: nothing runs before it must (at a synchronisation or a blocking copy), and then in any order that
/// streams and events allow, chosen by the schedule, so that a missing wait gives wrong numbers; memory from cudaMalloc
/// holds NaN, and NaN again once it is freed; the host cannot touch it but by copies (it crashes at the spot, where the
/// processor has protection keys); copies and products are checked against what was allocated; what kernels do wrong
/// (emulator/failure.hpp) is the sticky error of the calls that follow, with its text in cudaGetErrorString.
///
/// What they cannot show:
///   - how tensor cores round and truncate, the bits of approximate functions, or which algorithm cuBLASLt would take:
///     products here are exact or rounded inputs, summed in order in the type asked for;
///   - errors in the PTX text, in fences between proxies and in weak memory ordering: every wrapper needs its test on
///     a GPU. The emulator has one memory, always coherent;
///   - occupancy, registers, bank conflicts, coalescing, speed; blocks that would not be resident together, other than
///     by the counts of threads and shared memory;
///   - races between two streams that touch the same memory and happen to give the right numbers in every order tried;
///   - a kernel that follows a pointer to host memory hidden deeper than in its arguments (a struct among them is looked
///     into, and only pointers into the heap are told);
///   - an endless loop without any barrier, poll or atomic in it: the test runs into its time limit.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rondo::lane {

/// Work carried out since the last reset.
struct Counters {
    std::int64_t launches = 0;          ///< of kernels, also out of graphs
    std::int64_t copies = 0;            ///< and fills
    std::int64_t products = 0;          ///< by cuBLASLt
    std::int64_t synchronisations = 0;  ///< times the host waited
    std::int64_t allocations = 0;       ///< of device or pinned memory
    std::int64_t graph_launches = 0;
};
const Counters& counters();
void reset_counters();

/// The sticky error's text, which is taken away: the device then works again. Empty if there is none.
/// Work that was queued is lost. What has not been synchronised with has not failed yet.
std::string take_failure();

/// From now on allocations beyond this many bytes together fail with cudaErrorMemoryAllocation.
void limit_memory(std::size_t bytes);
void lift_memory_limit();

/// Device and pinned memory that has not been freed, one line each; what is queued is run first.
std::vector<std::string> unfreed_memory();

/// Whether the host crashes where it touches device memory: where the processor has protection keys.
bool keeps_the_host_out();

/// How many multiprocessors the device claims to have (8 by default): it bounds cooperative launches.
void set_multiprocessors(int count);

/// How many devices there are (1 by default, at most 8), each with memory, streams and events of its own; none reads
/// another one's. A thread begins on the first.
void set_devices(int count);

/// Streams, events, graphs and cuBLASLt handles that have not been destroyed.
std::int64_t undestroyed_handles();

}  // namespace rondo::lane
