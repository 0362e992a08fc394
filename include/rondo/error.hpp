#pragma once
/// The one error type of Rondo. Libraries never print, exit or abort: they throw this.
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "rondo/export.hpp"

namespace rondo {

enum class ErrorCode {
    invalid_argument,  ///< a field has a value that is not allowed
    unsupported,       ///< allowed in general, but not by this build, device or algorithm
    state,             ///< called in the wrong order (backward without a training forward, ...)
    out_of_memory,     ///< host or device memory is exhausted
    device,            ///< a CUDA, cuBLAS or driver call failed
    io,                ///< a file cannot be read or written, or its contents are damaged
};

/// What went wrong, as `what()` for people and `code()` for programs.
/// Thread-safe: an immutable value.
class RONDO_API Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
    ErrorCode code() const noexcept { return code_; }

private:
    ErrorCode code_;
};

namespace detail {

template <class... Args>
std::string concat(const Args&... args) {
    std::ostringstream out;
    (out << ... << args);
    return out.str();
}

}  // namespace detail

/// Throws an invalid_argument Error that reads "field = value: allowed".
template <class Value>
[[noreturn]] void refuse(std::string_view field, const Value& value, std::string_view allowed) {
    throw Error(ErrorCode::invalid_argument, detail::concat(field, " = ", value, ": ", allowed));
}

/// refuse() unless `ok`.
template <class Value>
void require(bool ok, std::string_view field, const Value& value, std::string_view allowed) {
    if (!ok) refuse(field, value, allowed);
}

}  // namespace rondo
