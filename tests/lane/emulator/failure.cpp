#include "lane/emulator/failure.hpp"

namespace rondo::lane {

std::string_view name_of(FailureKind kind) {
    switch (kind) {
        case FailureKind::deadlock:
            return "deadlock";
        case FailureKind::livelock:
            return "livelock";
        case FailureKind::divergence:
            return "divergence";
        case FailureKind::misuse:
            return "misuse";
        case FailureKind::trap:
            return "trap";
    }
    return "?";
}

Failure::Failure(FailureKind kind, const std::string& message)
    : std::runtime_error(std::string(name_of(kind)) + ": " + message), kind_(kind), message_(message) {}

Failure Failure::in_kernel(const std::string& kernel) const {
    return Failure(kind_, message_ + ", in kernel " + kernel);
}

std::string describe(device::Where where) {
    const std::string_view file = where.file;
    const std::size_t slash = file.rfind('/');
    return std::string(slash == std::string_view::npos ? file : file.substr(slash + 1)) + ":" +
           std::to_string(where.line);
}

void misuse(const std::string& what, device::Where where) {
    throw Failure(FailureKind::misuse, what + " at " + describe(where));
}

}  // namespace rondo::lane
