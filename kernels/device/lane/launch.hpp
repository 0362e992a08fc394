#pragma once
/// What a launch becomes in the lane: a call of the kernel's function, for every thread, with copies of its arguments.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <vector>

namespace rondo::lane {

struct Shape {
    const char* kernel;
    dim3 grid, block, cluster;
    std::size_t shared_bytes;
    bool cooperative;
    const void* function;
};

/// A kernel with its arguments. Their bytes are kept as well, so that pointers among them can be looked at.
struct Call {
    template <class... Parameters>
    Call(void (*kernel)(Parameters...), const Parameters&... arguments) : run([=] { kernel(arguments...); }) {
        (append(&arguments, sizeof(arguments)), ...);
    }

    std::function<void()> run;
    std::vector<const void*> words;  ///< every 8 aligned bytes of the arguments, read as a pointer

private:
    void append(const void* argument, std::size_t bytes) {
        const std::size_t first = words.size();
        words.resize(first + bytes / sizeof(void*));
        if (bytes >= sizeof(void*))
            __builtin_memcpy(words.data() + first, argument, bytes / sizeof(void*) * sizeof(void*));
    }
};

/// Puts the launch into the stream's queue; the emulator checks what CUDA would check at once.
cudaError_t enqueue(const Shape& shape, Call call, cudaStream_t stream);

}  // namespace rondo::lane
