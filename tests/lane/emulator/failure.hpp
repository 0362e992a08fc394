#pragma once
/// What the lane reports about a kernel.
#include <stdexcept>
#include <string>
#include <string_view>

#include "device/lane/where.hpp"

namespace rondo::lane {

enum class FailureKind {
    deadlock,    ///< every live thread waits for one that will not come
    livelock,    ///< every live thread polls or waits, and nothing changes
    divergence,  ///< threads that must meet at one place have met at two
    misuse,      ///< an instruction given what it does not take
    trap,        ///< the kernel stopped itself
};

std::string_view name_of(FailureKind kind);

class Failure : public std::runtime_error {
public:
    Failure(FailureKind kind, const std::string& message);
    FailureKind kind() const noexcept { return kind_; }

    /// The same, and where it happened.
    Failure in_kernel(const std::string& kernel) const;

private:
    FailureKind kind_;
    std::string message_;
};

/// "file.cuh:31", without folders.
std::string describe(device::Where where);

[[noreturn]] void misuse(const std::string& what, device::Where where);

}  // namespace rondo::lane
