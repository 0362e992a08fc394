#include "cli/stop_signal.hpp"

#include <csignal>

namespace rondo::cli {
namespace {

volatile std::sig_atomic_t requests = 0;  // the only kind of object a signal handler may write

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

void note(int) {
    requests = 1;
    for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
    requests = 0;
    for (const int signal : kSignals) {
        struct sigaction action {};
        action.sa_handler = note;
        action.sa_flags = SA_RESTART;
        sigaction(signal, &action, nullptr);
    }
}

StopSignal::~StopSignal() {
    for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

bool StopSignal::requested() const noexcept { return requests != 0; }

}  // namespace rondo::cli
