#pragma once
/// The owner of a GPU's memory: its .cpp is the only file that asks CUDA for any.
#include <cstddef>
#include <string_view>
#include <utility>

namespace rondo::cuda {

/// At least one byte on GPU `ordinal`, aligned to 256. Throws Error (out_of_memory).
void* allocate(int ordinal, std::size_t bytes);
/// Null is fine. Waits for the device's work, as cudaFree does.
void free(int ordinal, void* p) noexcept;

/// Page-locked host memory, which every GPU reads and writes by itself. Throws Error (out_of_memory).
void* allocate_host(std::size_t bytes);
void free_host(void* p) noexcept;

/// Throws Error (invalid_argument) that names the argument, unless `p` is memory of that GPU (or managed memory).
void check_memory(int ordinal, std::string_view argument, const void* p);

/// Memory with an owner.
class Buffer {
public:
    Buffer(int ordinal, std::size_t bytes) : ordinal_(ordinal), bytes_(bytes), p_(allocate(ordinal, bytes)) {}
    ~Buffer() { free(ordinal_, p_); }
    Buffer(Buffer&& other) noexcept
        : ordinal_(other.ordinal_), bytes_(other.bytes_), p_(std::exchange(other.p_, nullptr)) {}
    Buffer& operator=(Buffer&&) = delete;

    void* data() const noexcept { return p_; }
    std::size_t bytes() const noexcept { return bytes_; }

private:
    int ordinal_;
    std::size_t bytes_;
    void* p_;
};

}  // namespace rondo::cuda
