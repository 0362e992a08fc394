#include "rondo/version.hpp"

namespace rondo {

Version library_version() noexcept { return version(); }

}  // namespace rondo
