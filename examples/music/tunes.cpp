#include "music/tunes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <sstream>

#include "common/draw.hpp"

namespace music {
namespace {

constexpr char kNames[] = "CDEFGABcdefgab";

/// A key, its tone as steps above C, and the semitones that its signature moves each of C to B by.
struct Key {
    const char* name;
    int tonic;
    std::array<int, 7> moved;
};
constexpr Key kKeys[] = {
    {"C", 0, {}}, {"G", 4, {0, 0, 0, 1, 0, 0, 0}}, {"D", 1, {1, 0, 0, 1, 0, 0, 0}}, {"F", 3, {0, 0, 0, 0, 0, 0, -1}}};

const std::vector<std::vector<int>>& rhythms(int bar) {
    static const std::vector<std::vector<int>> kFour = {{2, 2, 2, 2},    {4, 2, 2}, {2, 1, 1, 2, 2}, {3, 1, 2, 2},
                                                        {2, 2, 1, 1, 2}, {4, 4},    {2, 2, 4}};
    static const std::vector<std::vector<int>> kThree = {{2, 2, 2}, {4, 2}, {2, 1, 1, 2}, {3, 1, 2}, {2, 4}};
    return bar == 8 ? kFour : kThree;
}

std::string note_text(int step, int eighths) {
    return kNames[step] + (eighths > 1 ? std::to_string(eighths) : std::string());
}

/// The tone of a triad on `root` (steps above C, any octave) that lies nearest to `from`.
int nearest_tone(int root, int from) {
    int best = 0;
    for (int step = 0; step < 14; ++step) {
        const int above = (step - root + 21) % 7;
        if ((above == 0 || above == 2 || above == 4) && std::abs(step - from) < std::abs(best - from)) best = step;
    }
    return best;
}

std::string compose_bar(lesson::Random& random, int bar, int root, int& at) {
    std::string text;
    for (const int eighths : random.of(rhythms(bar))) {
        // A tone of the chord where there is time for one, a step otherwise.
        const int leap = static_cast<int>(random.below(5)) - 2;
        at = eighths >= 2 ? nearest_tone(root, at + leap) : at + (leap > 0 ? 1 : -1);
        at = std::clamp(at, 0, 13);
        text += note_text(at, eighths);
    }
    return text + "|";
}

}  // namespace

std::string compose(lesson::Random& random) {
    const Key& key = random.of(kKeys);
    const int bar = random.below(2) == 0 ? 8 : 6;
    // Chords on the degrees I, IV, V, VI of the key.
    const std::vector<std::array<int, 3>> turns = {{0, 3, 4}, {0, 5, 4}, {0, 4, 4}, {0, 3, 0}, {5, 3, 4}};
    int at = key.tonic + 2;
    const auto phrase = [&] {
        std::string text;
        for (const int degree : random.of(turns)) text += compose_bar(random, bar, key.tonic + degree, at);
        return text;
    };
    const int home = at > 7 && key.tonic + 7 < 14 ? key.tonic + 7 : key.tonic;
    const std::string first = phrase() + note_text(home, bar) + "|\n";
    const std::string middle = phrase() + note_text(nearest_tone(key.tonic + 4, at), bar) + "|\n";
    return std::string("M:") + (bar == 8 ? "4/4" : "3/4") + "\nK:" + key.name + "\n" + first + first + middle + first +
           "\n";
}

std::optional<Tune> parse(const std::string& abc) {
    std::istringstream lines(abc);
    std::string metre, key, line;
    std::getline(lines, metre);
    std::getline(lines, key);
    if ((metre != "M:4/4" && metre != "M:3/4") || !key.starts_with("K:")) return std::nullopt;
    Tune tune{metre == "M:4/4" ? 8 : 6, key.substr(2), {}};
    if (std::none_of(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == tune.key; }))
        return std::nullopt;
    std::vector<Note> bar;
    while (std::getline(lines, line))
        for (const char c : line) {
            const std::string_view names(kNames);
            if (c == '|') {
                tune.bars.push_back(bar);
                bar.clear();
            } else if (const std::size_t step = names.find(c); step != std::string_view::npos) {
                bar.push_back({static_cast<int>(step), 1});
            } else if (c >= '2' && c <= '8' && !bar.empty() && bar.back().eighths == 1) {
                bar.back().eighths = c - '0';
            } else {
                return std::nullopt;
            }
        }
    if (!bar.empty() || tune.bars.empty() || tune.bars.back().empty()) return std::nullopt;
    return tune;
}

void Ear::hear(const std::string& abc) {
    ++tunes;
    const std::optional<Tune> tune = parse(abc);
    if (!tune) return;  // no ABC, which is not at home either
    for (const std::vector<Note>& bar : tune->bars) {
        int eighths = 0;
        for (const Note& note : bar) eighths += note.eighths;
        ++bars;
        full += eighths == tune->bar ? 1 : 0;
    }
    const Key& key =
        *std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == tune->key; });
    home += tune->bars.back().back().step % 7 == key.tonic ? 1 : 0;
    for (std::size_t i = 0; i < 4; ++i) {
        ++repeats;
        const auto same = [](const Note& a, const Note& b) { return a.step == b.step && a.eighths == b.eighths; };
        repeated += tune->bars.size() >= 8 && std::equal(tune->bars[i].begin(), tune->bars[i].end(),
                                                         tune->bars[4 + i].begin(), tune->bars[4 + i].end(), same);
    }
}

void draw(const Tune& tune, const std::string& path) {
    const double gap = 5, row = 90, left = 50, bar_width = 160;  // gap: between a line and the space beside it
    const std::size_t rows = (tune.bars.size() + 3) / 4;
    lesson::Picture picture(left + 4 * bar_width + 20, static_cast<double>(rows) * row + 30);
    for (std::size_t i = 0; i < tune.bars.size(); ++i) {
        const double x0 = left + static_cast<double>(i % 4) * bar_width;
        const double bottom = 70 + static_cast<double>(i / 4) * row;  // the lowest line: E, two steps above C
        if (i % 4 == 0) {
            for (int line = 0; line < 5; ++line)
                picture.line({{left - 40, bottom - 2 * gap * line}, {left + 4 * bar_width, bottom - 2 * gap * line}},
                             "#999");
            if (i == 0) picture.text({left - 38, bottom - 3 * gap}, (tune.bar == 8 ? "4/4 " : "3/4 ") + tune.key);
        }
        picture.line({{x0 + bar_width, bottom}, {x0 + bar_width, bottom - 8 * gap}}, "#444");
        int at = 0, total = 1;
        for (const Note& note : tune.bars[i]) total += note.eighths;
        for (const Note& note : tune.bars[i]) {
            const double x = x0 + (at + 1) * bar_width / (total + 1), y = bottom - (note.step - 2) * gap;
            at += note.eighths;
            if (note.step == 0) picture.line({{x - 9, y}, {x + 9, y}}, "#444");
            if (note.step >= 12) picture.line({{x - 9, bottom - 10 * gap}, {x + 9, bottom - 10 * gap}}, "#444");
            picture.ellipse({x, y}, 6, 4.4, "#223");
            if (note.eighths >= 4) picture.ellipse({x, y}, 4, 2.4, "#fff");
            if (note.eighths % 3 == 0) picture.circle({x + 10, y - 2}, 1.6, "#223");
            if (note.eighths == 8) continue;
            const double up = note.step < 6 ? -1 : 1;  // the stem
            picture.line({{x - 5.3 * up, y}, {x - 5.3 * up, y + 30 * up}}, "#223", 1.4);
            if (note.eighths == 1)
                picture.line({{x - 5.3 * up, y + 30 * up}, {x - 5.3 * up + 7, y + 18 * up}}, "#223", 2);
        }
    }
    picture.save(path);
}

void sound(const Tune& tune, const std::string& path) {
    constexpr int kRate = 22050;
    constexpr double kEighth = 0.22;                      // seconds
    constexpr int kSemitones[] = {0, 2, 4, 5, 7, 9, 11};  // of C to B above C
    const Key& key =
        *std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return k.name == tune.key; });
    std::string samples;
    for (const std::vector<Note>& bar : tune.bars)
        for (const Note& note : bar) {
            const auto degree = static_cast<std::size_t>(note.step % 7);
            const int semitones = 12 * (note.step / 7) + kSemitones[degree] + key.moved[degree];
            const double frequency = 261.63 * std::pow(2, semitones / 12.0), seconds = note.eighths * kEighth;
            for (int i = 0; i < static_cast<int>(seconds * kRate); ++i) {
                const double t = static_cast<double>(i) / kRate, w = 2 * std::numbers::pi * frequency * t;
                const double loud = std::min(1.0, t / 0.01) * std::exp(-2.5 * t) * std::min(1.0, (seconds - t) / 0.02);
                const auto value =
                    static_cast<int>(9000 * loud * (std::sin(w) + 0.4 * std::sin(2 * w) + 0.2 * std::sin(3 * w)));
                samples += static_cast<char>(value & 0xFF);
                samples += static_cast<char>(value >> 8 & 0xFF);
            }
        }
    const auto number = [](std::size_t value, int bytes) {
        std::string out;
        for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xFF);
        return out;
    };
    lesson::write_file(path, "RIFF" + number(36 + samples.size(), 4) + "WAVEfmt " + number(16, 4) + number(1, 2) +
                                 number(1, 2) + number(kRate, 4) + number(2 * kRate, 4) + number(2, 2) + number(16, 2) +
                                 "data" + number(samples.size(), 4) + samples);
}

}  // namespace music
