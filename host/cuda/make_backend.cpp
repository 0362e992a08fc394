#include "cuda/make_backend.hpp"

#include "cuda/cuda_backend.hpp"

namespace rondo::cuda {

std::shared_ptr<Backend> make_backend(int ordinal) { return std::make_shared<CudaBackend>(ordinal); }

}  // namespace rondo::cuda
