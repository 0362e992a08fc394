#pragma once
/// The door to this folder for code that is compiled without CUDA's headers.
#include <memory>

#include "cuda/gpu.hpp"

namespace rondo {
class Backend;
}

namespace rondo::cuda {

/// Throws Error (unsupported) where this machine has no such GPU.
std::shared_ptr<Backend> make_backend(int ordinal);

}  // namespace rondo::cuda
