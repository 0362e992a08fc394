#pragma once
/// Where computations run.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "rondo/export.hpp"

namespace rondo {

class Backend;  // host/scheduler/backend.hpp

/// An ordered queue of work on a device: a cudaStream_t in `handle`. A CPU runs everything at once and ignores it.
struct Stream {
    void* handle = nullptr;
};

/// A processor and what Rondo keeps for it (a thread pool, library handles). Cheap to copy: copies share the same one.
/// One thread at a time may compute on a Device and its copies; different Devices are independent.
class RONDO_API Device {
public:
    /// This machine's processor with `threads` threads, the caller's included; 0 takes one for each core this process
    /// may use. Instructions are chosen at run time. Throws Error when threads is negative.
    static Device cpu(int threads = 0);

    /// A GPU by its number. Throws Error (unsupported) when this build or machine has no such device.
    static Device cuda(int ordinal = 0);

    /// "auto" (a GPU if there is one), "cpu" or "cuda". Throws Error (unsupported) when this build or machine has no
    /// such device.
    static Device parse(std::string_view name);

    std::string_view name() const;    ///< "cpu", ...
    std::string description() const;  ///< for people: threads, instruction set, model
    /// For whoever waits for a stream by himself: throws Error (invalid_argument), once, where work that has run by then
    /// was given what it cannot take and only the device could see: lengths in its memory. The next Rnn::forward or
    /// backward on this device would.
    void check() const;
    Backend& backend() const noexcept { return *backend_; }

    explicit Device(std::shared_ptr<Backend> backend);

private:
    std::shared_ptr<Backend> backend_;
};

/// A stream of one's own on a device: work queued there can run beside other streams' and be recorded. Freed with it,
/// once its work is done.
class RONDO_API DeviceStream {
public:
    explicit DeviceStream(Device device);
    ~DeviceStream();
    DeviceStream(const DeviceStream&) = delete;
    DeviceStream& operator=(const DeviceStream&) = delete;

    operator Stream() const noexcept { return stream_; }

private:
    Device device_;
    Stream stream_;
};

}  // namespace rondo
