#include "cli/attention_map.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text_files.hpp"

namespace rondo::cli {
namespace {

constexpr std::int64_t kCell = 22, kLetter = 9, kGap = 6;  // pixels: a square, a letter's width, around labels

std::string csv_cell(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

/// A token as XML text. A space would not be seen there; control characters and single bytes of UTF-8 must not stand there.
std::string svg_text(const std::string& token) {
    if (token.size() == 1 &&
        (static_cast<unsigned char>(token[0]) < 0x20 || static_cast<unsigned char>(token[0]) >= 0x7F))
        return "\uFFFD";
    std::string out;
    for (const char c : token) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == ' ' ? "\u2423" : std::string(1, c);
    return out;
}

std::int64_t longest_of(const std::vector<std::string>& tokens) {
    std::int64_t most = 1;
    for (const std::string& token : tokens) most = std::max(most, count_characters(token));
    return most;
}

}  // namespace

std::string csv_of(const std::vector<AttentionMap>& maps) {
    std::string out;
    for (const AttentionMap& map : maps) {
        out += "\"\"";
        for (const std::string& token : map.source) out += "," + csv_cell(token);
        for (std::size_t t = 0; t < map.target.size(); ++t) {
            out += "\n" + csv_cell(map.target[t]);
            for (std::size_t s = 0; s < map.source.size(); ++s)
                out += fmt::format(",{:.4f}", map.weights[t * map.source.size() + s]);
        }
        out += "\n\n";
    }
    return out;
}

std::string svg_of(const std::vector<AttentionMap>& maps) {
    std::string body;
    std::int64_t width = 0, y = 0;
    for (const AttentionMap& map : maps) {
        const auto rows = static_cast<std::int64_t>(map.target.size());
        const auto columns = static_cast<std::int64_t>(map.source.size());
        const std::int64_t left = longest_of(map.target) * kLetter + 2 * kGap;
        const std::int64_t top = y + longest_of(map.source) * kLetter + 2 * kGap;
        for (std::int64_t s = 0; s < columns; ++s)
            body += fmt::format("<text transform=\"translate({},{}) rotate(-90)\">{}</text>\n",
                                left + s * kCell + kCell * 3 / 4, top - kGap,
                                svg_text(map.source[static_cast<std::size_t>(s)]));
        for (std::int64_t t = 0; t < rows; ++t) {
            body += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - kGap,
                                top + t * kCell + kCell * 3 / 4, svg_text(map.target[static_cast<std::size_t>(t)]));
            for (std::int64_t s = 0; s < columns; ++s)
                body += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.3f}\"/>\n",
                                    left + s * kCell, top + t * kCell, kCell, kCell,
                                    map.weights[static_cast<std::size_t>(t * columns + s)]);
        }
        body += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\n",
                            left, top, columns * kCell, rows * kCell);
        width = std::max(width, left + columns * kCell + kGap);
        y = top + rows * kCell + 2 * kGap;
    }
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"monospace\" "
               "font-size=\"14\" fill=\"#124\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
               width, y) +
           body + "</svg>\n";
}

}  // namespace rondo::cli
