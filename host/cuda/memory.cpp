#include "cuda/memory.hpp"

#include <algorithm>

#include "cuda/check.hpp"
#include "cuda/gpu.hpp"

namespace rondo::cuda {

void* allocate(int ordinal, std::size_t bytes) {
    const CurrentGpu current(ordinal);
    void* p = nullptr;
    const cudaError_t status = cudaMalloc(&p, std::max<std::size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation) {
        static_cast<void>(cudaGetLastError());  // this failure leaves the context as it was
        throw Error(ErrorCode::out_of_memory, detail::concat("cuda:", ordinal, " has no ", bytes, " bytes left"));
    }
    check(status, "cudaMalloc");
    return p;
}

void free(int ordinal, void* p) noexcept {
    if (p == nullptr) return;
    int now = ordinal;
    static_cast<void>(cudaGetDevice(&now));
    if (now != ordinal) static_cast<void>(cudaSetDevice(ordinal));
    static_cast<void>(cudaFree(p));
    if (now != ordinal) static_cast<void>(cudaSetDevice(now));
}

void* allocate_host(std::size_t bytes) {
    void* p = nullptr;
    check(cudaHostAlloc(&p, std::max<std::size_t>(bytes, 1), cudaHostAllocPortable), "cudaHostAlloc");
    return p;
}

void free_host(void* p) noexcept {
    if (p != nullptr) static_cast<void>(cudaFreeHost(p));
}

void check_memory(int ordinal, std::string_view argument, const void* p) {
    cudaPointerAttributes attributes{};
    const cudaError_t status = cudaPointerGetAttributes(&attributes, p);
    if (status == cudaErrorInvalidValue) {
        static_cast<void>(cudaGetLastError());
        attributes.type = cudaMemoryTypeUnregistered;
    } else {
        check(status, "cudaPointerGetAttributes");
    }
    const auto refuse_it = [&](std::string_view what) {
        refuse(argument, p, detail::concat("must be memory of cuda:", ordinal, ", is ", what));
    };
    switch (attributes.type) {
        case cudaMemoryTypeUnregistered:
            refuse_it("not known to CUDA (host memory, or freed)");
            break;
        case cudaMemoryTypeHost:
            refuse_it("host memory");
            break;
        case cudaMemoryTypeManaged:
            break;
        default:
            if (attributes.device != ordinal) refuse_it(detail::concat("memory of cuda:", attributes.device));
    }
}

}  // namespace rondo::cuda
