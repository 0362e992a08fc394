// cudaStream..., cudaEvent..., and waiting for all of the device.
#include "lane/standin/streams.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "lane/standin/machine.hpp"

namespace rondo::lane {
namespace {

std::vector<Stream*> streams;
std::vector<Event*> events;

Event& event_of(cudaEvent_t handle) {
    auto* event = reinterpret_cast<Event*>(handle);
    need(std::find(events.begin(), events.end(), event) != events.end(), cudaErrorInvalidResourceHandle);
    return *event;
}

double milliseconds() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(now).count();
}

void wait_for_stream(Stream& stream) {
    refuse_while_capturing(&stream);
    ++machine().counters.synchronisations;
    for (const Work& work : tails_of(stream)) run_until_done(work);
}

}  // namespace

Stream& legacy_stream(int device) {
    static std::array<Stream, kMostDevices> all = [] {
        std::array<Stream, kMostDevices> made;
        for (int d = 0; d < kMostDevices; ++d) {
            made[std::size_t(d)].device = d;
            made[std::size_t(d)].legacy = true;
        }
        return made;
    }();
    return all.at(std::size_t(device));
}

const std::vector<Stream*>& live_streams() { return streams; }

Stream& stream_of(cudaStream_t handle) {
    if (handle == nullptr || handle == cudaStreamLegacy) return legacy_stream(current_device());
    auto* stream = reinterpret_cast<Stream*>(handle);
    need(std::find(streams.begin(), streams.end(), stream) != streams.end(), cudaErrorInvalidResourceHandle);
    return *stream;
}

}  // namespace rondo::lane

using namespace rondo::lane;

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned int flags, int) {
    return call([&] {
        need(handle != nullptr && (flags & ~unsigned(cudaStreamNonBlocking)) == 0, cudaErrorInvalidValue);
        auto* stream = new Stream;
        stream->device = current_device();
        stream->blocking = (flags & cudaStreamNonBlocking) == 0;
        streams.push_back(stream);
        ++machine().handles;
        *handle = reinterpret_cast<cudaStream_t>(stream);
    });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned int flags) {
    return cudaStreamCreateWithPriority(handle, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* handle) { return cudaStreamCreateWithPriority(handle, 0, 0); }

// What is still queued runs all the same, when its time comes.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    return call_always([&] {
        need(handle != nullptr, cudaErrorInvalidResourceHandle);
        Stream& stream = stream_of(handle);
        if (stream.capture) stream.capture->broken = true;
        streams.erase(std::find(streams.begin(), streams.end(), &stream));
        --machine().handles;
        delete &stream;
    });
}

cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned int* flags) {
    return call([&] { *flags = stream_of(handle).blocking ? cudaStreamDefault : cudaStreamNonBlocking; });
}

cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
    return call([&] {
        need(device != nullptr, cudaErrorInvalidValue);
        *device = stream_of(handle).device;
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    return call([&] { wait_for_stream(stream_of(handle)); });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
    return call([&] {
        Stream& stream = stream_of(handle);
        refuse_while_capturing(&stream);
        const std::vector<Work> tails = tails_of(stream);
        if (std::all_of(tails.begin(), tails.end(), [](const Work& work) { return work->done; })) return;
        run_one();  // a host that asks again and again comes to an end
        fail(cudaErrorNotReady);
    });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
    return call([&] {
        Stream& stream = stream_of(handle);
        const Work recorded = event_of(event).recorded;
        if (recorded) wait_for(stream, recorded);  // an event that was never recorded is no wait
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
    return call([&] {
        need(function != nullptr, cudaErrorInvalidValue);
        enqueue_work(stream_of(handle), "host function", [=] { function(data); });
    });
}

cudaError_t cudaDeviceSynchronize() {
    return call([&] {
        refuse_while_capturing();
        ++machine().counters.synchronisations;
        run_all();
    });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned int) {
    return call([&] {
        need(handle != nullptr, cudaErrorInvalidValue);
        auto* event = new Event;
        event->device = current_device();
        events.push_back(event);
        ++machine().handles;
        *handle = reinterpret_cast<cudaEvent_t>(event);
    });
}

cudaError_t cudaEventCreate(cudaEvent_t* handle) { return cudaEventCreateWithFlags(handle, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
    return call_always([&] {
        Event& event = event_of(handle);
        events.erase(std::find(events.begin(), events.end(), &event));
        --machine().handles;
        delete &event;
    });
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
    return call([&] {
        Event& event = event_of(handle);
        need(event.device == stream_of(stream).device, cudaErrorInvalidResourceHandle);
        const auto moment = std::make_shared<double>(-1.0);
        event.recorded = enqueue_work(stream_of(stream), "event", [=] { *moment = milliseconds(); });
        event.moment = moment;
    });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t handle, cudaStream_t stream, unsigned int) {
    return cudaEventRecord(handle, stream);
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    return call([&] {
        const Work recorded = event_of(handle).recorded;
        if (!recorded) return;
        need(!recorded->capture, cudaErrorCapturedEvent);
        ++machine().counters.synchronisations;
        run_until_done(recorded);
    });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
    return call([&] {
        const Work recorded = event_of(handle).recorded;
        if (!recorded || recorded->done) return;
        need(!recorded->capture, cudaErrorCapturedEvent);
        run_one();
        fail(cudaErrorNotReady);
    });
}

cudaError_t cudaEventElapsedTime(float* result, cudaEvent_t start, cudaEvent_t end) {
    return call([&] {
        const Event &from = event_of(start), &to = event_of(end);
        need(from.recorded && to.recorded, cudaErrorInvalidResourceHandle);
        need(from.recorded->done && to.recorded->done, cudaErrorNotReady);
        *result = static_cast<float>(*to.moment - *from.moment);
    });
}
