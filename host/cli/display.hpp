#pragma once
/// What a person watches while a model trains: a bar that redraws itself on a terminal, a line now and then elsewhere.
#include <chrono>
#include <string>

#include "cli/training_log.hpp"

namespace rondo::cli {

/// How far training is.
struct Standing {
    std::int64_t step = 0, epoch = 0, epochs = 0;  ///< epochs: 0 for no limit
    std::int64_t skipped = 0;                      ///< steps without a finite gradient
    double fraction = 0;                           ///< of all that is asked for
    double tokens_per_second = 0, seconds_left = 0;
};

class Display {
public:
    Display();
    ~Display();
    Display(const Display&) = delete;
    Display& operator=(const Display&) = delete;

    /// Draws, unless it has just drawn. characters_per_target: Task's.
    void show(const Standing& standing, const Interval& recent, double characters_per_target);
    /// Draws how far an evaluation is, unless it has just drawn; on a terminal only.
    void show_evaluation(const std::string& name, double fraction);
    /// A line that stays.
    void say(const std::string& line);

    /// Takes away what was drawn.
    void clear();

private:
    void redraw(const std::string& line);

    bool terminal_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point last_;
};

std::string duration_text(double seconds);  ///< 1:02:03 or 02:03

}  // namespace rondo::cli
