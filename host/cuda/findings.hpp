#pragma once
/// What work on a GPU has found wrong, for the host to read without waiting for it.
#include <cstdint>
#include <memory>

namespace rondo::cuda {

class Findings {
public:
    explicit Findings(int ordinal);

    /// Written by kernels::check_lengths.
    std::int64_t* bad_length() const noexcept { return words_.get(); }
    /// Written by kernels::advance.
    std::int64_t* full_row() const noexcept { return words_.get() + 1; }
    /// Written by the kernels of persistent/.
    std::int64_t* late() const noexcept { return words_.get() + 2; }
    /// Throws Error (invalid_argument; of a late wait device) where something was found, and forgets it.
    void report() const;

private:
    std::unique_ptr<std::int64_t, void (*)(void*)> words_;  // page-locked
};

}  // namespace rondo::cuda
