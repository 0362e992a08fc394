#pragma once
/// Results as JSON: one flat row for the tables, and beside it what the row was chosen from.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rows/json_file.hpp"
#include "rows/parts.hpp"
#include "rows/row.hpp"
#include "rows/statistics.hpp"

namespace rondo::bench {

/// One way to compute a row, as it was measured, or why it was not.
struct Contestant {
    std::string name;  ///< "STANDARD, eager"
    Timing us;
    std::string error;
};

/// Bytes that a side takes for a row beside x, y and their gradients.
struct MemoryUse {
    std::size_t parameters = 0, workspace = 0, reserve = 0;
    std::size_t peak = 0;  ///< by which the device's free memory fell until it had run, x, y and gradients included
    std::size_t total() const { return parameters + workspace + reserve; }
};

struct RowResult {
    Row row;
    std::vector<Contestant> rondo, cudnn;
    MemoryUse rondo_memory, cudnn_memory;  ///< cuDNN's: the most of its algorithms
    std::vector<PartResult> parts;         ///< of Rondo's time; not where directions run beside each other
    nlohmann::ordered_json agreement;      ///< of both with the reference, before timing
    std::string error;                     ///< why the row could not be measured

    /// Whether both sides have a time.
    bool complete() const;
};

/// The fastest that has a time; null where none has.
const Contestant* fastest(const std::vector<Contestant>& contestants);

/// cell, dtype, hidden, input, batch, steps, layers, directions, ragged, pass, rondo_us, rondo_algorithm, cudnn_us,
/// cudnn_algorithm, ratio (cuDNN's time over Rondo's), spread (the larger of the two). Of a complete row.
nlohmann::ordered_json row_json(const RowResult& result);

/// Every contestant's time or error, Rondo's parts, memory, agreement.
nlohmann::ordered_json details_json(const RowResult& result);

/// {"machine", "method", "summary", "rows", "incomplete", "details"}
nlohmann::ordered_json result_file(const nlohmann::ordered_json& machine, std::size_t planned,
                                   const std::vector<RowResult>& results);

}  // namespace rondo::bench
