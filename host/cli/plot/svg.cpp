#include "cli/plot/svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace rondo::cli {
namespace {

/// Told apart by colour-blind people too (M. Okabe, K. Ito, "Color universal design", 2008).
constexpr const char* kPalette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
constexpr int kColours = static_cast<int>(std::size(kPalette));

std::string colour_of(int i) { return kPalette[((i % kColours) + kColours) % kColours]; }

/// 0.001, 25, 1e-07: as short as it goes.
std::string number(double v) { return fmt::format("{:.4g}", v + 0.0); }  // no -0

/// From values to pixels along one axis.
class Scale {
public:
    Scale(const Axis& axis, double least, double most, double from, double to) : log_(axis.log), from_(from), to_(to) {
        if (!(least <= most)) least = log_ ? 0.1 : 0, most = 1;  // nothing to show
        least = axis.from.value_or(least);
        most = axis.to.value_or(most);
        if (log_) {
            low_ = axis.from ? std::log10(least) : outer(std::log10(least), -1);
            high_ = axis.to ? std::log10(most) : outer(std::log10(most), 1);
        } else {
            low_ = least;
            high_ = most;
        }
        if (low_ == high_) {
            low_ -= log_ ? 1 : std::max(0.5, std::abs(low_) / 2);
            high_ += log_ ? 1 : std::max(0.5, std::abs(high_) / 2);
        }
    }

    bool shows(double v) const { return std::isfinite(v) && (!log_ || v > 0); }
    double at(double v) const {
        const double u = ((log_ ? std::log10(v) : v) - low_) / (high_ - low_);
        return from_ + u * (to_ - from_);
    }

    std::vector<double> ticks(int most) const {
        std::vector<double> list;
        if (log_) {
            const double step = std::max(1.0, std::ceil((high_ - low_) / most));
            for (double e = std::floor(low_ / step) * step; e <= high_ + 1e-9; e += step)
                for (const double mantissa : kMantissas) {
                    const double at = e + std::log10(mantissa);
                    if (mantissa > 1 && high_ - low_ > 2) break;  // the decades are enough
                    if (at >= low_ - 1e-9 && at <= high_ + 1e-9) list.push_back(mantissa * std::pow(10, e));
                }
            return list;
        }
        const double rough = (high_ - low_) / most, power = std::pow(10, std::floor(std::log10(rough)));
        double step = 10 * power;
        for (const double nice : {1.0, 2.0, 5.0})
            if (nice * power >= rough) {
                step = nice * power;
                break;
            }
        for (double i = std::ceil(low_ / step - 1e-9); i * step <= high_ + 1e-9 * step; ++i) list.push_back(i * step);
        return list;
    }
    std::string label(double v) const {
        if (!log_) return number(v);
        const double e = std::round(std::log10(v));
        if ((e >= -3 && e <= 3) || std::abs(e - std::log10(v)) > 1e-6) return number(v);
        return fmt::format("10<tspan dy=\"-5\" font-size=\"8\">{}</tspan>", e);
    }

private:
    static constexpr double kMantissas[] = {1, 2, 5};

    /// The nearest 1, 2 or 5 of a decade that lies outside, in logarithms.
    static double outer(double v, int side) {
        double best = side > 0 ? std::ceil(v - 1e-9) : std::floor(v + 1e-9);
        for (const double mantissa : kMantissas) {
            const double at = std::floor(v) + std::log10(mantissa);
            if (side > 0 ? at >= v - 1e-9 && at < best : at <= v + 1e-9 && at > best) best = at;
        }
        return best;
    }

    bool log_;
    double from_, to_, low_ = 0, high_ = 1;
};

struct Frame {
    double left, top, right, bottom;
};

std::string begin_svg(int width, double height, const std::string& title) {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"11\" role=\"img\" aria-label=\"{2}\">\n"
        "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
        "<text x=\"{3}\" y=\"16\" font-size=\"13\" font-weight=\"bold\">{2}</text>\n",
        width, height, escaped(title), 8);
}

std::string text(double x, double y, const std::string& anchor, const std::string& inner) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, inner);
}

std::string line(double x1, double y1, double x2, double y2, const char* colour) {
    return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
                       y2, colour);
}

std::string upright(double x, double y, const std::string& inner) {
    return fmt::format("<text transform=\"translate({:.1f},{:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n", x,
                       y, inner);
}

std::string axes(const Frame& f, const Scale& x, const Scale& y, const std::string& x_label,
                 const std::string& y_label) {
    std::string out;
    for (const double v : x.ticks(6)) {
        out += line(x.at(v), f.top, x.at(v), f.bottom, "#e6e6e6");
        out += text(x.at(v), f.bottom + 14, "middle", x.label(v));
    }
    for (const double v : y.ticks(6)) {
        out += line(f.left, y.at(v), f.right, y.at(v), "#e6e6e6");
        out += text(f.left - 5, y.at(v) + 4, "end", y.label(v));
    }
    out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\n", f.left,
                       f.top, f.right - f.left, f.bottom - f.top);
    out += text((f.left + f.right) / 2, f.bottom + 30, "middle", escaped(x_label));
    return out + upright(12, (f.top + f.bottom) / 2, escaped(y_label));
}

/// The least and the most of what an axis can show.
struct Span {
    double least = std::numeric_limits<double>::infinity(), most = -least;
    void take(const std::vector<double>& values, bool log) {
        for (const double v : values)
            if (std::isfinite(v) && (!log || v > 0)) {
                least = std::min(least, v);
                most = std::max(most, v);
            }
    }
};

std::string drawn(const Series& s, const Scale& x, const Scale& y) {
    const std::string colour = colour_of(s.colour);
    std::string out, path;
    bool down = false;  // the pen
    for (std::size_t i = 0; i < s.x.size(); ++i) {
        if (!x.shows(s.x[i]) || !y.shows(s.y[i])) {
            down = false;
            continue;
        }
        if (s.points)
            out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x.at(s.x[i]),
                               y.at(s.y[i]), colour);
        path += fmt::format("{}{:.1f} {:.1f}", down ? "L" : "M", x.at(s.x[i]), y.at(s.y[i]));
        down = true;
    }
    if (s.points || path.empty()) return out;
    return fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-linecap=\"round\"{}>"
        "<title>{}</title></path>\n",
        path, colour, s.dashed ? " stroke-dasharray=\"5 4\"" : "", escaped(s.name));
}

/// A line of the legend.
std::string entry(const Series& s, double x, double y) {
    const std::string colour = colour_of(s.colour);
    const std::string mark =
        s.points ? fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x + 10, y, colour)
                 : fmt::format("<path d=\"M{:.1f} {:.1f}h20\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", x, y, colour,
                               s.dashed ? " stroke-dasharray=\"5 4\"" : "");
    return mark + text(x + 25, y + 4, "start", escaped(s.name));
}

/// From violet by green to yellow in five stops about equally far apart to the eye (after matplotlib's viridis).
std::string heat(double u) {
    constexpr int kStops[][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    const double at = std::clamp(u, 0.0, 1.0) * 4;
    const int i = std::min(3, static_cast<int>(at));
    const auto mix = [&](int c) {
        return static_cast<int>(std::lround(kStops[i][c] + (at - i) * (kStops[i + 1][c] - kStops[i][c])));
    };
    return fmt::format("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2));
}

}  // namespace

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

std::string to_svg(const LineChart& chart) {
    std::size_t longest = 0;
    for (const Series& s : chart.series)
        if (chart.legend) longest = std::max(longest, s.name.size());
    const double legend = longest > 0 ? 42 + 6.2 * static_cast<double>(longest) : 12;
    const Frame f{66, 28, chart.width - legend, chart.height - 38.0};
    Span xs, ys;
    for (const Series& s : chart.series) {
        xs.take(s.x, chart.x.log);
        ys.take(s.y, chart.y.log);
    }
    const double margin = chart.y.log ? 0 : 0.04 * (ys.most - ys.least);
    const Scale x(chart.x, xs.least, xs.most, f.left, f.right),
        y(chart.y, ys.least - margin, ys.most + margin, f.bottom, f.top);
    std::string out = begin_svg(chart.width, chart.height, chart.title) + axes(f, x, y, chart.x.label, chart.y.label);
    // A picture in the picture, which cuts off what leaves it.
    out += fmt::format("<svg x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{3}\" viewBox=\"{0} {1} {2} {3}\">\n", f.left,
                       f.top, f.right - f.left, f.bottom - f.top);
    for (const Series& s : chart.series)
        if (!s.points) out += drawn(s, x, y);
    out += "</svg>\n";
    for (const Series& s : chart.series)
        if (s.points) out += drawn(s, x, y);
    double row = f.top + 8;
    for (const Series& s : chart.series) {
        if (s.name.empty() || !chart.legend) continue;
        out += entry(s, f.right + 8, row);
        row += 16;
    }
    return out + "</svg>\n";
}

std::string legend_of(const LineChart& chart, int width) {
    std::string entries;
    double x = 8, y = 12;
    for (const Series& s : chart.series) {
        if (s.name.empty()) continue;
        const double wide = 45 + 6.2 * static_cast<double>(s.name.size());
        if (x + wide > width && x > 8) {
            x = 8;
            y += 18;
        }
        entries += entry(s, x, y);
        x += wide;
    }
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{0}\" height=\"{1}\" "
        "fill=\"#fff\"/>\n{2}</svg>\n",
        width, y + 10, entries);
}

std::string to_svg(const DotChart& chart) {
    std::size_t longest = 0;
    for (const std::string& name : chart.names) longest = std::max(longest, name.size());
    const double height = 70 + 18 * static_cast<double>(chart.names.size());
    const Frame f{20 + 6.8 * static_cast<double>(longest), 28, chart.width - 70.0, height - 38};
    Span span;
    span.take(chart.values, true);
    const Axis axis{chart.label, true, std::nullopt, std::nullopt};
    const Scale x(axis, span.least, span.most, f.left, f.right);
    std::string out = begin_svg(chart.width, height, chart.title);
    for (const double v : x.ticks(8)) {
        out += line(x.at(v), f.top, x.at(v), f.bottom, "#e6e6e6");
        out += text(x.at(v), f.bottom + 14, "middle", x.label(v));
    }
    for (std::size_t i = 0; i < chart.names.size(); ++i) {
        const double y = f.top + 4 + 18 * static_cast<double>(i), v = chart.values[i];
        out += text(f.left - 6, y + 10, "end", escaped(chart.names[i]));
        const double end = x.shows(v) ? x.at(v) : f.left;
        out += line(f.left, y + 6, end, y + 6, "#bbb");
        out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", end, y + 6, colour_of(0));
        out += text(end + 8, y + 10, "start", number(v));
    }
    out += text((f.left + f.right) / 2, f.bottom + 30, "middle", escaped(chart.label));
    return out + "</svg>\n";
}

std::string to_svg(const HeatMap& map) {
    const Frame f{66, 28, map.width - 86.0, map.height - 38.0};
    Span span;
    for (const auto& row : map.values) span.take(row, true);
    const auto rows = static_cast<double>(map.values.size()), columns = static_cast<double>(map.x.size());
    const Axis colours{map.value_label, true, std::nullopt, std::nullopt};
    const Scale colour(colours, span.least, span.most, f.bottom, f.top);
    std::string out = begin_svg(map.width, map.height, map.title);
    const double w = (f.right - f.left) / std::max(1.0, columns), h = (f.bottom - f.top) / std::max(1.0, rows);
    // One path a colour, of which there are few: pages stay small. Cells overlap, or seams show.
    constexpr double kColoursUsed = 80;
    std::map<std::string, std::string> cells;
    for (std::size_t r = 0; r < map.values.size(); ++r)
        for (std::size_t c = 0; c < map.values[r].size(); ++c) {
            const double v = map.values[r][c];
            if (!colour.shows(v)) continue;
            const double u = (f.bottom - colour.at(v)) / (f.bottom - f.top);
            cells[heat(std::round(u * kColoursUsed) / kColoursUsed)] +=
                fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h-{:.1f}z", f.left + w * static_cast<double>(c),
                            f.bottom - h * static_cast<double>(r + 1) - 0.5, w + 0.5, h + 0.5, w + 0.5);
        }
    for (const auto& [fill, path] : cells) out += fmt::format("<path d=\"{}\" fill=\"{}\"/>\n", path, fill);
    const auto every = [](std::size_t count) { return std::max<std::size_t>(1, count / 5); };
    for (std::size_t c = 0; c < map.x.size(); c += every(map.x.size()))
        out += text(f.left + w * (static_cast<double>(c) + 0.5), f.bottom + 14, "middle", number(map.x[c]));
    for (std::size_t r = 0; r < map.y.size(); r += every(map.y.size()))
        out += text(f.left - 5, f.bottom - h * (static_cast<double>(r) + 0.5) + 4, "end", number(map.y[r]));
    for (int i = 0; i < 40; ++i)  // what the colours mean
        out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.2f}\" width=\"12\" height=\"{:.2f}\" fill=\"{}\"/>\n",
                           f.right + 10, f.bottom - (i + 1) * (f.bottom - f.top) / 40, (f.bottom - f.top) / 40 + 0.3,
                           heat((i + 0.5) / 40));
    for (const double v : colour.ticks(6)) out += text(f.right + 26, colour.at(v) + 4, "start", colour.label(v));
    out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\n", f.left,
                       f.top, f.right - f.left, f.bottom - f.top);
    out += text((f.left + f.right) / 2, f.bottom + 30, "middle", escaped(map.x_label));
    out += text(f.right + 10, f.bottom + 30, "middle", escaped(map.value_label));
    return out + upright(12, (f.top + f.bottom) / 2, escaped(map.y_label)) + "</svg>\n";
}

std::string html_page(const std::string& title, const std::string& body) {
    return fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n"
        "<style>body{{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}}"
        "svg{{max-width:100%;height:auto;margin:2px}}"
        "table{{border-collapse:collapse}}td,th{{padding:2px 12px;border-bottom:1px solid #ddd;text-align:right}}"
        "td:first-child,th:first-child{{text-align:left}}"
        ".warning{{border-left:4px solid #d55e00;padding:.2em 1em;background:#fdf3ec}}"
        ".well{{border-left:4px solid #009e73;padding:.2em 1em;background:#edf8f4}}</style></head><body>\n"
        "<h1>{0}</h1>\n{1}</body></html>\n",
        escaped(title), body);
}

}  // namespace rondo::cli
