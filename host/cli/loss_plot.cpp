// The loss as a picture.
#include <charconv>
#include <fstream>
#include <sstream>

#include "cli/plot/svg.hpp"
#include "cli/text_files.hpp"
#include "cli/training_log.hpp"

namespace rondo::cli {
namespace {

/// The cells of a CSV file's rows, without its head.
std::vector<std::vector<std::string>> rows_of(const std::string& path) {
    std::vector<std::vector<std::string>> rows;
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string>& row = rows.emplace_back();
        std::istringstream cells(line);
        for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    }
    return rows;
}

double number_in(const std::string& cell) {
    double value = 0;
    std::from_chars(cell.data(), cell.data() + cell.size(), value);
    return value;
}

}  // namespace

std::string plot_log(const TrainingLog& log, const std::string& folder) {
    constexpr std::size_t kStep = 0, kLoss = 4, kSplit = 3;  // of both files
    LineChart chart{"loss", {"step"}, {log.is_language() ? "loss (nats a token)" : "loss"}, {}, 900, 540};
    Series training{"training", {}, {}, 0};
    for (const auto& row : rows_of(log.path())) {
        training.x.push_back(number_in(row.at(kStep)));
        training.y.push_back(number_in(row.at(kLoss)));
    }
    chart.series.push_back(std::move(training));
    const auto evaluations = rows_of(log.evaluations_path());
    int colour = 1;
    for (const char* name : {"validation", "test"}) {
        Series split{name, {}, {}, colour++, false, true};
        for (const auto& row : evaluations) {
            if (row.at(kSplit) != name) continue;
            split.x.push_back(number_in(row.at(kStep)));
            split.y.push_back(number_in(row.at(kLoss)));
        }
        if (!split.x.empty()) chart.series.push_back(std::move(split));
    }
    const std::string path = in_folder(folder, "loss.svg");
    write_text_file(path, to_svg(chart));
    return path;
}

}  // namespace rondo::cli
