#pragma once
/// What a row is made of, and the least time that each part can take.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rows/statistics.hpp"
#include "scheduler/program.hpp"

namespace rondo::bench {

/// One kind of operation of a pass, all layers and directions together.
struct Part {
    std::string_view name;  ///< "forward steps"
    bool backward;
    Operation::Kind kind;
};

/// Those that a plan has, in the order they run.
std::vector<Part> parts_of(const Plan& plan);

/// The plan with that part alone, on the caller's stream: its operations find what the others left when they ran last.
Plan only(const Plan& plan, const Part& part);

/// What a part must at least do. A matrix counts once, also where a loop reads it in every step: it might have kept it.
struct Work {
    double flops = 0;  ///< of products
    double bytes = 0;  ///< read or written once
};
Work work_of(const Plan& plan, const Part& part);

/// What a device can do at best. Empty: not known.
struct Peaks {
    std::optional<double> flops;             ///< a second, in the row's type
    std::optional<double> bytes_per_second;  ///< of its memory
};

/// Of a GPU of that capability, "9.0". Products in f32 count as plain multiply-adds, tf32 as tensor cores' dense ones.
Peaks peaks_of(std::string_view capability, int multiprocessors, double clock_hz, double bytes_per_second,
               std::string_view dtype);

/// The larger of the two times, in microseconds. Empty where a peak is not known.
std::optional<double> bound_us(const Work& work, const Peaks& peaks);

struct PartResult {
    std::string name;
    Timing us;
    std::string algorithm;  ///< eager or graph
    Work work;
    std::optional<double> bound_us;
    std::string error;
};

}  // namespace rondo::bench
