#pragma once
/// A row of the CPU's table, and memory for it.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "rondo/error.hpp"

namespace rondo::bench {

struct CpuRow {
    std::string cell;
    std::int64_t hidden, batch, steps, layers;
    bool bidirectional, training;
    int threads;

    std::string name() const {
        return detail::concat(cell, "/H", hidden, "/B", batch, "/T", steps, "/L", layers, "/D", bidirectional ? 2 : 1,
                              "/", training ? "training" : "inference", "/threads", threads);
    }
};

/// Memory on a multiple of 64 bytes, filled with small numbers that are no denormals.
class Memory {
public:
    explicit Memory(std::int64_t bytes)
        : data_(static_cast<float*>(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 63) / 64 * 64 + 64))),
                &std::free) {
        std::uint32_t state = 12345;
        for (std::int64_t i = 0; i < bytes / 4; ++i) {
            state = state * 1664525u + 1013904223u;
            data_.get()[i] = (static_cast<float>(state >> 8) / 8388608.0f - 1.0f) * 0.04f;
        }
    }
    float* get() const { return data_.get(); }

private:
    std::unique_ptr<float, decltype(&std::free)> data_;
};

}  // namespace rondo::bench
