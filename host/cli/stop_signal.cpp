#include "cli/stop_signal.hpp"

#include <csignal>
#include <iterator>

namespace rondo::cli {
namespace {

volatile std::sig_atomic_t requests = 0;  // the only kind of object a signal handler may write

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
struct sigaction before[std::size(kSignals)];

void note(int) {
    requests = 1;
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
    requests = 0;
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        sigaction(kSignals[i], &action, &before[i]);
        // nohup's wish is stronger.
        if (kSignals[i] == SIGHUP && before[i].sa_handler == SIG_IGN) sigaction(SIGHUP, &before[i], nullptr);
    }
}

StopSignal::~StopSignal() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before[i], nullptr);
}

bool StopSignal::requested() const noexcept { return requests != 0; }

}  // namespace rondo::cli
