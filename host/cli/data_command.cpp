// rondo data: examples of tasks that are made, not collected.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <utility>

#include "cli/program.hpp"
#include "rondo/error.hpp"
#include "rondo/philox.hpp"

namespace rondo::cli {
namespace {

struct DataOptions {
    std::int64_t count = 50000, digits = 3, seed = 1;
};

/// One draw after the other, the same for the same seed.
class Draws {
public:
    explicit Draws(std::int64_t seed) : key_(philox_key(static_cast<std::uint64_t>(seed))) {}
    /// 0 to count - 1.
    std::int64_t below(std::int64_t count) {
        const Philox4 r = philox4x32(philox_counter(drawn_++, 0), key_);
        return static_cast<std::int64_t>(philox_uniform(r.word[0], r.word[1]) * static_cast<double>(count));
    }

private:
    PhiloxKey key_;
    std::uint64_t drawn_ = 0;
};

/// "535+61<TAB>596". Numbers of 1 to `digits` digits, each length as often; no two numbers are added twice, in either
/// order, so that what is held out has not been seen.
void write_addition(const DataOptions& options) {
    require(options.digits >= 1 && options.digits <= 9, "digits", options.digits, "must be in [1, 9]");
    std::int64_t numbers = 1;
    for (std::int64_t d = 0; d < options.digits; ++d) numbers *= 10;
    const std::int64_t most = numbers * (numbers + 1) / 4;  // half of the pairs: drawing stays quick
    require(options.count <= most, "count", options.count,
            detail::concat("must be at most ", most, " of such numbers"));
    Draws draws(options.seed);
    const auto number = [&] {
        std::int64_t value = 0;
        for (std::int64_t left = 1 + draws.below(options.digits); left > 0; --left)
            value = 10 * value + draws.below(10);
        return value;
    };
    std::set<std::pair<std::int64_t, std::int64_t>> seen;
    while (static_cast<std::int64_t>(seen.size()) < options.count) {
        const std::int64_t a = number(), b = number();
        if (seen.insert(std::minmax(a, b)).second) fmt::print("{}+{}\t{}\n", a, b, a + b);
    }
}

constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};
constexpr const char* kWeekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/// How people write a day: d, m and y are its numbers, th what follows an ordinal, a short name three letters.
constexpr const char* kForms[] = {"{d} {month} {y}",
                                  "{month} {d}, {y}",
                                  "{weekday}, {d} {month} {y}",
                                  "{weekday}, {month} {d}{th}, {y}",
                                  "{d}{th} of {month} {y}",
                                  "the {d}{th} of {month}, {y}",
                                  "{short_weekday} {short_month} {d} {y}",
                                  "{short_month} {d} {y}",
                                  "{d}-{short_month}-{y}",
                                  "{y} {month} {d}",
                                  "{d}.{m}.{y}",
                                  "{m}/{d}/{y}"};

const char* ordinal_end(unsigned day) {
    if (day % 100 / 10 == 1) return "th";
    return day % 10 == 1 ? "st" : day % 10 == 2 ? "nd" : day % 10 == 3 ? "rd" : "th";
}

/// "Saturday, 9 May 1998<TAB>1998-05-09": days from 1900 to 2099 in many forms, none twice.
void write_dates(const DataOptions& options) {
    using namespace std::chrono;
    constexpr sys_days kFirst = year{1900} / January / 1, kEnd = year{2100} / January / 1;
    constexpr std::int64_t kDays = (kEnd - kFirst).count();
    require(options.count <= kDays, "count", options.count, detail::concat("must be at most ", kDays));
    Draws draws(options.seed);
    std::set<std::string> seen;
    while (static_cast<std::int64_t>(seen.size()) < options.count) {
        const sys_days when = kFirst + days{draws.below(kDays)};
        const year_month_day date{when};
        const auto y = static_cast<int>(date.year());
        const auto m = static_cast<unsigned>(date.month()), d = static_cast<unsigned>(date.day());
        const std::string month_name = kMonths[m - 1], weekday_name = kWeekdays[weekday{when}.c_encoding()];
        std::string text =
            fmt::format(fmt::runtime(kForms[draws.below(std::size(kForms))]), fmt::arg("d", d), fmt::arg("m", m),
                        fmt::arg("y", y), fmt::arg("th", ordinal_end(d)), fmt::arg("month", month_name),
                        fmt::arg("short_month", month_name.substr(0, 3)), fmt::arg("weekday", weekday_name),
                        fmt::arg("short_weekday", weekday_name.substr(0, 3)));
        if (draws.below(2) == 1)
            std::transform(text.begin(), text.end(), text.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        if (seen.insert(text).second) fmt::print("{}\t{}-{:02}-{:02}\n", text, y, m, d);
    }
}

void add_kind(CLI::App& data, const char* name, const char* help, const std::shared_ptr<DataOptions>& options,
              void (*write)(const DataOptions&)) {
    CLI::App* command = data.add_subcommand(name, help);
    command->add_option("--count", options->count, "examples [50000]");
    command->add_option("--seed", options->seed, "the same seed writes the same examples [1]");
    command->callback([options, write] {
        require(options->count >= 1, "count", options->count, "must be at least 1");
        require(options->seed >= 0, "seed", options->seed, "must not be negative");
        write(*options);
    });
}

}  // namespace

void add_data(CLI::App& program) {
    CLI::App* data = program.add_subcommand("data", "Write made examples of seq2seq, source<TAB>target, to stdout");
    data->require_subcommand(1);
    const auto options = std::make_shared<DataOptions>();
    add_kind(*data, "addition", "Sums as text: 535+61<TAB>596", options, write_addition);
    data->get_subcommand("addition")->add_option("--digits", options->digits, "of a number, at most [3]");
    add_kind(*data, "dates", "Days as people write them: 9 May 1998<TAB>1998-05-09", options, write_dates);
}

}  // namespace rondo::cli
