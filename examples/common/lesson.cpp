#include "common/lesson.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numbers>

namespace lesson {

using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

int run(int argc, char** argv, const std::string& name, const std::string& about,
        const std::function<std::vector<Figure>(const Setting&)>& teach) try {
    CLI::App app(about, name);
    bool tiny = false, large = false;
    int threads = 0;
    std::string device = "auto", out = "rondo-" + name, data;
    std::uint64_t seed = 1;
    app.add_flag("--tiny", tiny, "a few seconds, to see that it works");
    app.add_flag("--large", large, "a GPU's setting")->excludes("--tiny");
    app.add_option("--device", device, "auto, cpu or cuda [auto]");
    app.add_option("--threads", threads, "of the CPU; 0 for one a core [0]");
    app.add_option("--seed", seed, "of data, weights and samples [1]");
    app.add_option("--out", out, "folder for pictures and tables [" + out + "]");
    app.add_option("--data", data, "your own data in place of the example's, where its page says so");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    std::filesystem::create_directories(out);
    const Clock::time_point begin = Clock::now();
    const Setting setting{tiny    ? Size::tiny
                          : large ? Size::large
                                  : Size::small,
                          device == "cpu" ? rondo::Device::cpu(threads) : rondo::Device::parse(device), out, data,
                          seed};
    const std::vector<Figure> figures = teach(setting);
    bool all = true;
    std::printf("\n");
    for (const Figure& f : figures) {
        std::printf("%s: %s (%s: %s), must be %s %s: %s\n", f.what.c_str(), number(f.value).c_str(),
                    f.baseline_name.c_str(), number(f.baseline).c_str(),
                    f.must == Figure::Must::be_at_least ? "at least" : "at most", number(f.goal).c_str(),
                    f.reached() ? "reached" : "MISSED");
        all = all && f.reached();
    }
    std::printf("%s s on %s; pictures and tables are in %s\n", number(seconds_since(begin), 1).c_str(),
                setting.device.description().c_str(), out.c_str());
    return all ? 0 : 1;
} catch (const Skip& skip) {
    std::printf("%s: skipped: %s\n", name.c_str(), skip.reason.c_str());
    return 77;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), e.what());
    return 2;
}

Bar::Bar(std::string title, std::int64_t steps)
    : title_(std::move(title)), steps_(steps), terminal_(::isatty(STDERR_FILENO) == 1), begin_(Clock::now()) {
    last_ = begin_;
}
Bar::~Bar() { clear(); }

void Bar::clear() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
    drawn_ = false;
}

void Bar::step(const std::string& note) {
    ++done_;
    if (seconds_since(last_) < (terminal_ ? 0.1 : 5)) return;
    last_ = Clock::now();
    const double fraction = static_cast<double>(done_) / static_cast<double>(steps_);
    const int left = static_cast<int>(seconds_since(begin_) / fraction * (1 - fraction));
    std::string line = title_;
    if (terminal_) {
        const auto full = static_cast<std::size_t>(20 * fraction);
        line += " [" + std::string(full, '=') + std::string(20 - full, ' ') + "]";
    }
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, " %3.0f%%  left %02d:%02d  ", 100 * fraction, left / 60, left % 60);
    std::fprintf(stderr, terminal_ ? "\r\x1b[K%.78s" : "%s\n", (line + numbers + note).c_str());
    std::fflush(stderr);
    drawn_ = terminal_;
}

void Bar::say(const std::string& line) {
    clear();
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

double Random::normal() {  // Box and Muller 1958
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
}

Padded::Padded(std::span<const std::vector<std::int32_t>> rows, std::int32_t filler) {
    for (const auto& row : rows) {
        lengths_.push_back(static_cast<std::int64_t>(row.size()));
        steps_ = std::max(steps_, lengths_.back());
    }
    ids_.assign(rows.size() * static_cast<std::size_t>(steps_), filler);
    for (std::size_t b = 0; b < rows.size(); ++b)
        for (std::size_t t = 0; t < rows[b].size(); ++t) ids_[t * rows.size() + b] = rows[b][t];
}

Padded::Padded(std::span<const std::vector<float>> rows, std::int64_t width) : width_(width) {
    const auto w = static_cast<std::size_t>(width);
    for (const auto& row : rows) {
        lengths_.push_back(static_cast<std::int64_t>(row.size() / w));
        steps_ = std::max(steps_, lengths_.back());
    }
    numbers_.resize(rows.size() * static_cast<std::size_t>(steps_) * w);
    for (std::size_t b = 0; b < rows.size(); ++b)
        for (std::size_t t = 0; t < rows[b].size() / w; ++t)
            std::copy_n(&rows[b][t * w], w, &numbers_[(t * rows.size() + b) * w]);
}

Padded::operator rondo::Sequence() const {
    const auto batch = static_cast<std::int64_t>(lengths_.size());
    if (width_ == 0) return {rondo::ConstView(ids_.data(), {steps_, batch}), lengths_};
    return {rondo::ConstView(numbers_.data(), {steps_, batch, width_}), lengths_};
}

std::vector<std::int32_t> likeliest(const rondo::HostTensor& logits) {
    const std::int64_t classes = logits.shape[logits.shape.rank() - 1];
    std::vector<std::int32_t> out;
    for (std::int64_t row = 0; row < logits.shape.size() / classes; ++row) {
        std::int32_t best = 0;
        for (std::int32_t c = 1; c < classes; ++c)
            if (logits.at(row * classes + c) > logits.at(row * classes + best)) best = c;
        out.push_back(best);
    }
    return out;
}

std::string number(double value, int digits) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
    return buffer;
}

void write_file(const std::string& path, std::string_view contents) {
    std::ofstream file(path, std::ios::binary);
    file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    file.close();
    if (!file) throw rondo::Error(rondo::ErrorCode::io, path + ": cannot be written");
}

}  // namespace lesson
