#include "common/draw.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "common/lesson.hpp"

namespace lesson {
namespace {

std::string escaped(std::string_view words) {
    std::string out;
    for (const char c : words) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '"' ? "&quot;" : std::string(1, c);
    return out;
}

std::string list_of(const std::vector<Point>& points) {
    std::ostringstream out;
    for (const Point& p : points) out << number(p.first, 1) << ',' << number(p.second, 1) << ' ';
    return out.str();
}

template <class... Parts>
std::string concat(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

}  // namespace

void Picture::rect(Point corner, double width, double height, std::string_view fill, double opacity) {
    body_ += concat("<rect x=\"", corner.first, "\" y=\"", corner.second, "\" width=\"", width, "\" height=\"", height,
                    "\" fill=\"", fill);
    body_ += opacity < 1 ? concat("\" fill-opacity=\"", number(opacity, 2), "\"/>\n") : "\"/>\n";
}
void Picture::frame(Point corner, double width, double height, std::string_view colour) {
    const auto [x, y] = corner;
    line({{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}, {x, y}}, colour);
}
void Picture::circle(Point centre, double radius, std::string_view fill) { ellipse(centre, radius, radius, fill); }
void Picture::ellipse(Point centre, double across, double down, std::string_view fill) {
    body_ += concat("<ellipse cx=\"", centre.first, "\" cy=\"", centre.second, "\" rx=\"", across, "\" ry=\"", down,
                    "\" fill=\"", fill, "\"/>\n");
}
void Picture::line(const std::vector<Point>& points, std::string_view colour, double width, bool dashed) {
    body_ += concat("<polyline points=\"", list_of(points), "\" fill=\"none\" stroke=\"", colour, "\" stroke-width=\"",
                    width, dashed ? "\" stroke-dasharray=\"6 4" : "", "\"/>\n");
}
void Picture::area(const std::vector<Point>& outline, std::string_view fill, double opacity) {
    body_ +=
        concat("<polygon points=\"", list_of(outline), "\" fill=\"", fill, "\" fill-opacity=\"", opacity, "\"/>\n");
}
void Picture::text(Point at, std::string_view words, Anchor anchor, double size, bool turned) {
    const char* names[] = {"start", "middle", "end"};
    body_ += concat("<text transform=\"translate(", at.first, ",", at.second, turned ? ") rotate(-90)" : ")",
                    "\" font-size=\"", size, "\" text-anchor=\"", names[static_cast<int>(anchor)], "\">",
                    escaped(words), "</text>\n");
}

void Picture::save(const std::string& path) const {
    write_file(
        path,
        concat(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", width_, "\" height=\"", height_,
            "\" font-family=\"sans-serif\" fill=\"#223\">\n",
            "<style>rect{shape-rendering:crispEdges}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            body_, "</svg>\n"));
}

std::string_view colour(std::size_t i) {
    // Tableau's ten, the order changed.
    constexpr std::string_view kColours[] = {"#4e79a7", "#e15759", "#59a14f", "#f28e2b", "#b07aa1",
                                             "#76b7b2", "#9c755f", "#ff9da7", "#edc948", "#79706e"};
    return kColours[i % std::size(kColours)];
}

namespace {

constexpr double kWidth = 420, kHeight = 280, kLeft = 62, kTop = 34, kBottom = 48, kLegend = 18, kLegendWidth = 190,
                 kBetween = 24;

/// An axis from `low` to `high`, and where it is marked.
struct Axis {
    double low, high;
    bool log = false;

    double share(double value) const {
        return log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    }
    /// Steps of 1, 2 or 5 times a power of ten, four to nine of them.
    std::vector<double> marks() const {
        const double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
        const double step = power * (rough < 2 * power ? 1 : rough < 5 * power ? 2 : 5);
        std::vector<double> out;
        for (double m = std::ceil(low / step - 1e-9); m * step <= high + 1e-9 * step; ++m) out.push_back(m * step);
        return out;
    }
};

std::string mark_text(double value) { return concat(std::abs(value) < 1e-12 ? 0 : value); }

std::vector<Point> all_points(const Chart& chart) {
    std::vector<Point> out;
    const auto take = [&](const std::vector<Point>& points) { out.insert(out.end(), points.begin(), points.end()); };
    for (const Curve& c : chart.curves) take(c.points);
    for (const Band& b : chart.bands) {
        take(b.low);
        take(b.high);
    }
    return out;
}

/// The names of a chart's curves and bands, each once.
std::vector<std::string> names_of(const std::vector<Chart>& charts) {
    std::vector<std::string> out;
    const auto take = [&](const std::string& name) {
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    };
    for (const Chart& chart : charts) {
        for (const Curve& c : chart.curves) take(c.name);
        for (const Band& b : chart.bands) take(b.name);
    }
    return out;
}

void draw_chart(Picture& picture, const Chart& chart, double x0, const std::vector<std::string>& names) {
    const std::vector<Point> points = all_points(chart);
    Axis x{points[0].first, points[0].first, chart.log_x}, y{points[0].second, points[0].second};
    for (const Point& p : points) {
        x.low = std::min(x.low, p.first), x.high = std::max(x.high, p.first);
        y.low = std::min(y.low, p.second), y.high = std::max(y.high, p.second);
    }
    if (chart.low < chart.high) y.low = chart.low, y.high = chart.high;
    const auto place = [&](const Point& p) {
        return Point{x0 + x.share(p.first) * kWidth, kTop + (1 - std::clamp(y.share(p.second), 0.0, 1.0)) * kHeight};
    };
    const auto path = [&](const std::vector<Point>& from) {
        std::vector<Point> out;
        for (const Point& p : from) out.push_back(place(p));
        return out;
    };
    const auto colour_of = [&](const std::string& name) {
        return colour(static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin()));
    };
    using Anchor = Picture::Anchor;
    picture.text({x0 + kWidth / 2, kTop - 14}, chart.title, Anchor::middle, 15);
    for (const double mark : y.marks()) {
        picture.line({place({x.low, mark}), place({x.high, mark})}, "#ddd");
        picture.text({x0 - 6, place({x.low, mark}).second + 4}, mark_text(mark), Anchor::end, 12);
    }
    std::vector<double> marks = x.marks();
    if (x.log) {  // where there are points
        marks.clear();
        for (const Point& p : points) marks.push_back(p.first);
        std::sort(marks.begin(), marks.end());
        marks.erase(std::unique(marks.begin(), marks.end()), marks.end());
    }
    for (const double mark : marks)
        picture.text({place({mark, y.low}).first, kTop + kHeight + 16}, mark_text(mark), Anchor::middle, 12);
    picture.text({x0 + kWidth / 2, kTop + kHeight + 36}, chart.x, Anchor::middle);
    picture.text({x0 - 44, kTop + kHeight / 2}, chart.y, Anchor::middle, 13, true);
    for (const Band& b : chart.bands) {
        std::vector<Point> outline = path(b.low), back = path(b.high);
        outline.insert(outline.end(), back.rbegin(), back.rend());
        picture.area(outline, colour_of(b.name), 0.25);
    }
    for (const Curve& c : chart.curves) picture.line(path(c.points), colour_of(c.name), 2, c.dashed);
    picture.frame({x0, kTop}, kWidth, kHeight, "#888");
}

}  // namespace

void draw(const std::string& path, const std::vector<Chart>& charts) {
    const std::vector<std::string> names = names_of(charts);
    const double width = static_cast<double>(charts.size()) * (kLeft + kWidth + kBetween);
    const auto columns = static_cast<std::size_t>((width - kLeft) / kLegendWidth);
    const auto rows = static_cast<double>((names.size() + columns - 1) / columns);
    Picture picture(width, kTop + kHeight + kBottom + rows * kLegend + 8);
    double x = kLeft;
    for (const Chart& chart : charts) {
        draw_chart(picture, chart, x, names);
        x += kWidth + kBetween + kLeft;
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Point at{kLeft + static_cast<double>(i % columns) * kLegendWidth,
                       kTop + kHeight + kBottom + kLegend * static_cast<double>(i / columns)};
        picture.rect(at, 22, 5, colour(i));
        picture.text({at.first + 28, at.second + 7}, names[i], Picture::Anchor::start, 12);
    }
    picture.save(path);
}

}  // namespace lesson
