#pragma once
/// Ctrl-C as a wish to stop.

namespace rondo::cli {

/// While one exists, the first SIGINT, SIGTERM or SIGHUP is only noted; the next ends the process as usual.
class StopSignal {
public:
    StopSignal();
    ~StopSignal();
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;

    bool requested() const noexcept;
};

}  // namespace rondo::cli
