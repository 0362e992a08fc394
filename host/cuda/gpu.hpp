#pragma once
/// The GPUs of this machine, and the one that a thread's calls go to.
#include <string>

namespace rondo::cuda {

/// 0 where there is no GPU, no driver, or one that is too old; never an error.
int gpu_count() noexcept;
inline bool has_gpu() noexcept { return gpu_count() > 0; }

/// What a GPU is, asked once.
struct Gpu {
    int ordinal = 0;
    std::string name;
    int major = 0, minor = 0;  ///< compute capability
    int multiprocessors = 0;
    double memory_gib = 0;

    /// "NVIDIA H100, 132 multiprocessors of sm_90, 79.6 GiB"
    std::string description() const;
};

/// Throws Error (unsupported) where this machine has no such GPU.
Gpu find_gpu(int ordinal);

/// Makes a GPU the calling thread's for as long as this lives.
class CurrentGpu {
public:
    explicit CurrentGpu(int ordinal);
    ~CurrentGpu();
    CurrentGpu(const CurrentGpu&) = delete;
    CurrentGpu& operator=(const CurrentGpu&) = delete;

private:
    int before_ = -1;  // -1: it was this one already
};

}  // namespace rondo::cuda
