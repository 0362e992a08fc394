// cudaMalloc..., cudaMemcpy..., cudaMemset...: allocation, copies and fills.
#include <cstring>
#include <string>
#include <vector>

#include "lane/emulator/shared_memory.hpp"
#include "lane/standin/machine.hpp"
#include "lane/standin/memory.hpp"
#include "lane/standin/queue.hpp"

namespace rondo::lane {
namespace {

/// A rectangle of bytes; an ordinary copy has one row.
struct Transfer {
    unsigned char* to;
    std::size_t to_pitch;
    const unsigned char* from;
    std::size_t from_pitch;
    std::size_t width, height;

    std::size_t span(std::size_t pitch) const { return height == 0 ? 0 : (height - 1) * pitch + width; }
};

bool on_device(Place place) { return place == Place::device; }

void check_sides(const Transfer& t, cudaMemcpyKind kind) {
    const Place to = place_of(t.to), from = place_of(t.from);
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault)
        need(on_device(to) == to_device && on_device(from) == from_device, cudaErrorInvalidValue);
    need(lies_in(to, t.to, t.span(t.to_pitch)) && lies_in(from, t.from, t.span(t.from_pitch)), cudaErrorInvalidValue);
}

/// Memory that was freed between asking and running.
void check_alive(const void* p, std::size_t bytes, const char* what) {
    if (!lies_in(place_of(p), p, bytes))
        throw Failure(FailureKind::misuse, std::string(what) + " touches memory that was freed before it ran");
}

void carry_out(const Transfer& t) {
    check_alive(t.to, t.span(t.to_pitch), "a copy");
    check_alive(t.from, t.span(t.from_pitch), "a copy");
    for (std::size_t row = 0; row < t.height; ++row)
        std::memmove(t.to + row * t.to_pitch, t.from + row * t.from_pitch, t.width);
}

/// As CUDA: pageable host memory is read before the call returns, or written before it does. Pinned memory is read and
/// written when the copy's turn comes. A capture takes no pageable memory: nothing would say when it is read, at the
/// capture or at each replay.
void copy(Transfer t, cudaMemcpyKind kind, cudaStream_t handle, bool blocking) {
    if (t.width == 0 || t.height == 0) return;
    check_sides(t, kind);
    Stream& stream = stream_of(handle);
    if (blocking) refuse_while_capturing();
    const bool pageable_target = place_of(t.to) == Place::host;
    const bool pageable_source = place_of(t.from) == Place::host && on_device(place_of(t.to));
    if (stream.capture && (pageable_source || pageable_target)) {
        stream.capture->broken = true;
        fail(cudaErrorStreamCaptureUnsupported);
    }
    ++machine().counters.copies;
    if (pageable_source) {
        std::vector<unsigned char> staged(t.width * t.height);
        for (std::size_t row = 0; row < t.height; ++row)
            std::memcpy(staged.data() + row * t.width, t.from + row * t.from_pitch, t.width);
        const Work work = enqueue_work(stream, "copy", [t, staged = std::move(staged)]() mutable {
            t.from = staged.data();
            t.from_pitch = t.width;
            carry_out(t);
        });
        if (!blocking) return;
        ++machine().counters.synchronisations;
        run_until_done(work);
        return;
    }
    const Work work = enqueue_work(stream, "copy", [t] { carry_out(t); });
    if (stream.capture) return;
    if (blocking || pageable_target) {
        ++machine().counters.synchronisations;
        run_until_done(work);
    }
}

void fill(void* to, int value, std::size_t bytes, cudaStream_t handle, bool blocking) {
    if (bytes == 0) return;
    need(lies_in(Place::device, to, bytes), cudaErrorInvalidValue);
    if (blocking) refuse_while_capturing();
    ++machine().counters.copies;
    const Work work = enqueue_work(stream_of(handle), "fill", [=] {
        check_alive(to, bytes, "a fill");
        std::memset(to, value, bytes);
    });
    if (blocking) run_until_done(work);
}

Transfer one_row(void* to, const void* from, std::size_t bytes) {
    return {static_cast<unsigned char*>(to), bytes, static_cast<const unsigned char*>(from), bytes, bytes, 1};
}

}  // namespace
}  // namespace rondo::lane

using namespace rondo::lane;

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
    return call([&] {
        need(p != nullptr, cudaErrorInvalidValue);
        *p = nullptr;
        refuse_while_capturing();
        if (bytes > 0) *p = allocate_device(bytes);
    });
}

// Waits for all of the device first, as the real one does.
cudaError_t cudaFree(void* p) {
    // Also where a kernel has failed before: owners free what they own.
    if (machine().sticky != cudaSuccess) {
        free_device(p);
        return machine().last = machine().sticky;
    }
    return call([&] {
        if (p == nullptr) return;
        refuse_while_capturing();
        need(lies_in(Place::device, p, 1), cudaErrorInvalidValue);
        run_all();
        need(free_device(p), cudaErrorInvalidValue);
    });
}

cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t handle) {
    return call([&] {
        need(p != nullptr, cudaErrorInvalidValue);
        *p = nullptr;
        // A graph would own such memory; Rondo's steps allocate nothing.
        need(!stream_of(handle).capture, cudaErrorStreamCaptureUnsupported);
        if (bytes > 0) *p = allocate_device(bytes);
    });
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t handle) {
    if (machine().sticky != cudaSuccess) {
        free_device(p);
        return machine().last = machine().sticky;
    }
    return call([&] {
        if (p == nullptr) return;
        Stream& stream = stream_of(handle);
        need(!stream.capture, cudaErrorStreamCaptureUnsupported);
        need(lies_in(Place::device, p, 1), cudaErrorInvalidValue);
        enqueue_work(stream, "free", [=] {
            if (!free_device(p))
                throw Failure(FailureKind::misuse, "cudaFreeAsync of memory that was freed before it ran");
        });
    });
}

cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned int) {
    return call([&] {
        need(p != nullptr, cudaErrorInvalidValue);
        *p = nullptr;
        refuse_while_capturing();
        if (bytes > 0) *p = allocate_pinned(bytes);
    });
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) { return cudaHostAlloc(p, bytes, 0); }

cudaError_t cudaFreeHost(void* p) {
    if (machine().sticky != cudaSuccess) {
        free_pinned(p);
        return machine().last = machine().sticky;
    }
    return call([&] {
        if (p == nullptr) return;
        run_all();
        need(free_pinned(p), cudaErrorInvalidValue);
    });
}

cudaError_t cudaMemGetInfo(std::size_t* left, std::size_t* total) {
    return call([&] {
        *total = device_bytes_limit();
        *left = device_bytes_limit() - device_bytes_used();
    });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* p) {
    return call([&] {
        need(attributes != nullptr, cudaErrorInvalidValue);
        *attributes = {};
        const Place place = place_of(p);
        auto* address = const_cast<void*>(p);
        if (place == Place::host || !lies_in(place, p, 1)) {
            attributes->type = cudaMemoryTypeUnregistered;
            attributes->device = -2;  // cudaInvalidDeviceId, what the runtime says
            attributes->hostPointer = address;
            return;
        }
        attributes->type = place == Place::device ? cudaMemoryTypeDevice : cudaMemoryTypeHost;
        attributes->device = place == Place::device ? device_of(p) : current_device();
        attributes->devicePointer = address;
        attributes->hostPointer = place == Place::device ? nullptr : address;
    });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    return call([&] { copy(one_row(to, from, bytes), kind, nullptr, true); });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    return call([&] { copy(one_row(to, from, bytes), kind, stream, false); });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
    return call([&] {
        need(width <= to_pitch && width <= from_pitch, cudaErrorInvalidPitchValue);
        copy({static_cast<unsigned char*>(to), to_pitch, static_cast<const unsigned char*>(from), from_pitch, width,
              height},
             kind, stream, false);
    });
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
    return call([&] { fill(to, value, bytes, nullptr, true); });
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    return call([&] { fill(to, value, bytes, stream, false); });
}
