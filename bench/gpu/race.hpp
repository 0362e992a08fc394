#pragma once
/// Several ways to do the same thing, timed with CUDA events, in turns.
///
/// By hand rather than with Google Benchmark, which times one thing to its end before the next: clocks and temperature
/// drift within a minute by more than what is to be told apart, and only turns give all contestants the same weather.
/// Nor is it installed everywhere that there is a GPU.
#include <functional>
#include <string>
#include <vector>

#include "rows/result_file.hpp"
#include "scheduler/backend.hpp"

namespace rondo::bench {

/// One that queues its work on the race's stream.
struct Entry {
    std::string name;
    std::function<void()> run;
};

/// Each entry eager ("NAME, eager") and recorded in a graph ("NAME, graph"), in rounds until `seconds` have passed
/// (three rounds at least, fifty at most). What throws is out, with its reason.
std::vector<Contestant> race(Backend& backend, Stream stream, const std::vector<Entry>& entries, double seconds);

}  // namespace rondo::bench
