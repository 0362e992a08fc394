#pragma once
/// What stands around each example's lesson: its command line, a bar, figures at the end, and small helpers.
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rondo/network.hpp"
#include "rondo/philox.hpp"

namespace lesson {

enum class Size {
    tiny,   ///< a few seconds: shows that everything works
    small,  ///< minutes on a CPU
    large,  ///< a GPU's
};

/// What the command line asked for.
struct Setting {
    Size size = Size::small;
    rondo::Device device;
    std::string out, data;
    std::uint64_t seed = 1;

    template <class T>
    T pick(T tiny, T small, T large) const {
        return size == Size::tiny ? tiny : size == Size::small ? small : large;
    }
    /// A file in the folder for results.
    std::string path(std::string_view file) const { return out + "/" + std::string(file); }
};

/// A number at the end, beside what one has without the lesson, and what it must reach for the example to succeed.
struct Figure {
    std::string what;
    double value = 0;
    std::string baseline_name;
    double baseline = 0;
    enum class Must { be_at_least, be_at_most } must = Must::be_at_least;
    double goal = 0;

    bool reached() const { return must == Must::be_at_least ? value >= goal : value <= goal; }
};

/// Thrown where a tool is missing that an example needs; the program ends with status 77.
struct Skip {
    std::string reason;
};

/// main() of an example: reads the command line, teaches, prints the figures and the time. Status 0 where all figures
/// were reached, 1 where not, 2 for an error.
int run(int argc, char** argv, const std::string& name, const std::string& about,
        const std::function<std::vector<Figure>(const Setting&)>& teach);

/// How far something is, on stderr: a bar on a terminal, elsewhere a line every few seconds.
class Bar {
public:
    Bar(std::string title, std::int64_t steps);
    ~Bar();
    Bar(const Bar&) = delete;
    Bar& operator=(const Bar&) = delete;
    /// A step is done; `note` is shown beside it.
    void step(const std::string& note = "");
    /// A line that stays, on stdout.
    void say(const std::string& line);

private:
    void clear();

    std::string title_;
    std::int64_t steps_, done_ = 0;
    bool terminal_, drawn_ = false;
    std::chrono::steady_clock::time_point begin_, last_;
};

/// Random numbers, the same for the same seed on every machine.
class Random {
public:
    explicit Random(std::uint64_t seed) : key_(rondo::philox_key(seed)) {}
    double uniform() {  ///< in [0, 1)
        const rondo::Philox4 r = rondo::philox4x32(rondo::philox_counter(drawn_++, 0), key_);
        return rondo::philox_uniform(r.word[0], r.word[1]);
    }
    double uniform(double low, double high) { return low + (high - low) * uniform(); }
    std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(uniform() * static_cast<double>(n)); }
    double normal();
    template <class List>
    const auto& of(const List& list) {  ///< one of a list, each as likely
        return list[static_cast<std::size_t>(below(static_cast<std::int64_t>(std::size(list))))];
    }

private:
    rondo::PhiloxKey key_;
    std::uint64_t drawn_ = 0;
};

/// Sequences of different lengths side by side, as a network is fed: [T,B] or [T,B,width], T that of the longest.
/// Whoever made a Sequence of it must keep it.
class Padded {
public:
    Padded(std::span<const std::vector<std::int32_t>> rows, std::int32_t filler);
    Padded(std::span<const std::vector<float>> rows, std::int64_t width);
    operator rondo::Sequence() const;
    std::span<const std::int32_t> ids() const { return ids_; }

private:
    std::vector<std::int32_t> ids_;
    std::vector<float> numbers_;
    std::vector<std::int64_t> lengths_;
    std::int64_t steps_ = 0, width_ = 0;
};

/// The likeliest class of each row of logits [..., classes].
std::vector<std::int32_t> likeliest(const rondo::HostTensor& logits);

/// A number with so many digits behind the point.
std::string number(double value, int digits = 3);

void write_file(const std::string& path, std::string_view contents);

}  // namespace lesson
