#pragma once
/// The command line of a benchmark that must build where no library for command lines is installed.
#include <optional>
#include <string>
#include <vector>

#include "rows/row.hpp"

namespace rondo::bench {

struct Flags {
    std::vector<Row> rows;
    std::string output;              ///< empty: nothing is written
    std::string commit = "unknown";  ///< what was built, for the record
    double seconds = 600;            ///< no row is begun after that
    int device = 0;
    int parity = 0;      ///< so many small cases are compared, and nothing is timed
    bool alone = false;  ///< Rondo's times without cuDNN's
    bool list = false;   ///< print the rows and end; needs no GPU
    bool help = false;
};

extern const char* const kFlagsHelp;

/// Throws Error on a flag or value that is not allowed.
Flags parse_flags(const std::vector<std::string>& words);

}  // namespace rondo::bench
