#pragma once
/// Charts as SVG text, and pages that hold them: no file but the page itself is needed to look at it.
#include <optional>
#include <string>
#include <vector>

namespace rondo::cli {

/// One axis. Without limits it spans what is drawn.
struct Axis {
    std::string label;
    bool log = false;  ///< decades; what is not above 0 is left out
    std::optional<double> from{}, to{};
};

/// A line through points; it has a gap where a value is NaN, or cannot be shown on a log axis.
struct Series {
    std::string name;  ///< in the legend; none where empty
    std::vector<double> x, y;
    int colour = 0;  ///< of the palette, counted round
    bool dashed = false;
    bool points = false;  ///< dots instead of a line
};

struct LineChart {
    std::string title;
    Axis x, y;
    std::vector<Series> series;
    int width = 460, height = 280;  ///< with its legend
    bool legend = true;
};
std::string to_svg(const LineChart& chart);
/// The legend alone, in lines, for charts side by side.
std::string legend_of(const LineChart& chart, int width);

/// A dot a name, on a log axis.
struct DotChart {
    std::string title, label;
    std::vector<std::string> names;
    std::vector<double> values;
    int width = 700;
};
std::string to_svg(const DotChart& chart);

/// Colour for a value above 0, by its logarithm; cells that hold nothing (NaN, 0) stay empty. values[row][column], row 0
/// at the bottom.
struct HeatMap {
    std::string title, x_label, y_label, value_label;
    std::vector<double> x, y;  ///< of the columns and of the rows
    std::vector<std::vector<double>> values;
    int width = 460, height = 280;
};
std::string to_svg(const HeatMap& map);

/// For text between tags and in attributes.
std::string escaped(const std::string& text);

/// A whole HTML page; `body` is HTML.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace rondo::cli
