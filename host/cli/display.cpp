#include "cli/display.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace rondo::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainLine{5};

std::size_t terminal_width() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : 80;
}

std::string count_text(double count) {
    if (count >= 1e6) return fmt::format("{:.2f}M", count / 1e6);
    if (count >= 1e4) return fmt::format("{:.1f}k", count / 1e3);
    return fmt::format("{:.0f}", count);
}

std::string bar(double fraction, std::size_t width) {
    const auto full = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
    return "[" + std::string(full, '=') + std::string(width - full, ' ') + "]";
}

}  // namespace

std::string duration_text(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::clamp(seconds, 0.0, 3.6e6));
    const std::int64_t h = whole / 3600, m = whole / 60 % 60, s = whole % 60;
    return h > 0 ? fmt::format("{}:{:02}:{:02}", h, m, s) : fmt::format("{:02}:{:02}", m, s);
}

Display::Display() : terminal_(::isatty(STDERR_FILENO) == 1) {}

Display::~Display() { clear(); }

void Display::clear() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

void Display::say(const std::string& line) {
    clear();
    fmt::print(stderr, "{}\n", line);
    std::fflush(stderr);
}

void Display::redraw(const std::string& line) {
    // Never as wide as the terminal: a full line would wrap and could not be redrawn.
    fmt::print(stderr, "\r\x1b[K{}", line.substr(0, terminal_width() - 1));
    std::fflush(stderr);
    drawn_ = true;
}

void Display::show(const Standing& now, const Interval& recent, double characters_per_target) {
    const auto time = std::chrono::steady_clock::now();
    if (recent.tokens == 0 || time - last_ < (terminal_ ? kRedraw : kPlainLine)) return;
    last_ = time;
    const double loss = recent.loss();
    const std::string epoch = now.epochs > 0 ? fmt::format("{}/{}", std::min(now.epoch + 1, now.epochs), now.epochs)
                                             : fmt::format("{}", now.epoch + 1);
    const std::string skipped = now.skipped > 0 ? fmt::format(" SKIPPED {}", now.skipped) : "";
    const std::string language = characters_per_target > 0 ? fmt::format(" ppl {:.2f} b/char {:.2f}", std::exp(loss),
                                                                         loss * kBitsPerNat / characters_per_target)
                                                           : "";
    const std::string numbers = fmt::format("ep {} loss {:.3f}{} |g| {:.2f} clip {:.0f}%{} {}/s left {}", epoch, loss,
                                            language, recent.norm(), 100 * recent.clip_rate(), skipped,
                                            count_text(now.tokens_per_second), duration_text(now.seconds_left));
    if (!terminal_) {
        fmt::print(stderr, "{:3.0f}%  step {} {}\n", 100 * now.fraction, now.step, numbers);
        std::fflush(stderr);
        return;
    }
    const std::string percent = fmt::format("{:3.0f}%", 100 * now.fraction);
    // The bar takes what the numbers leave.
    const std::size_t taken = percent.size() + numbers.size() + 5;
    const std::size_t room = terminal_width() > taken ? std::min<std::size_t>(terminal_width() - taken, 30) : 0;
    redraw(room >= 5 ? fmt::format("{} {} {}", bar(now.fraction, room), percent, numbers)
                     : fmt::format("{} {}", percent, numbers));
}

void Display::show_evaluation(const std::string& name, double fraction) {
    const auto time = std::chrono::steady_clock::now();
    if (!terminal_ || time - last_ < kRedraw) return;
    last_ = time;
    redraw(fmt::format("{} {:3.0f}% {}", bar(fraction, 30), 100 * fraction, name));
}

}  // namespace rondo::cli
