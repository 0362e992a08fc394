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
        (append(arguments), ...);
    }

    std::function<void()> run;
    std::vector<const void*> words;  ///< every 8 aligned bytes of the arguments, read as a pointer

private:
    template <class T>
    void append(T argument) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
        __builtin_clear_padding(&argument);  // which may hold anything, also what is left of a pointer
#endif
#endif
        constexpr std::size_t kWords = sizeof(T) / sizeof(void*);
        const std::size_t first = words.size();
        words.resize(first + kWords);
        if constexpr (kWords > 0) __builtin_memcpy(words.data() + first, &argument, kWords * sizeof(void*));
    }
};

/// Puts the launch into the stream's queue; the emulator checks what CUDA would check at once.
cudaError_t enqueue(const Shape& shape, Call call, cudaStream_t stream);

}  // namespace rondo::lane
