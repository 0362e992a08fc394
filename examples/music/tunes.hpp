#pragma once
/// Tunes in ABC notation: made by rule, read, drawn and made sound. A tune is
///     M:3/4
///     K:G
///     four bars|...|   (four such lines: a phrase, the phrase, another, the phrase)
/// with lengths in eighths, C the middle C and c an octave above.
#include <optional>
#include <string>
#include <vector>

#include "common/lesson.hpp"

namespace music {

/// A tune composed by rule: chords follow one another as in folk songs, strong beats take tones of the chord, what lies
/// between goes by steps, and the last bar of a phrase comes home.
std::string compose(lesson::Random& random);

struct Note {
    int step = 0;     ///< white keys above the middle C
    int eighths = 1;  ///< how long
};
struct Tune {
    int bar = 8;  ///< eighths a bar should have
    std::string key;
    std::vector<std::vector<Note>> bars;
};
/// None where the text is not a tune; its bars may well be too short or too long.
std::optional<Tune> parse(const std::string& abc);

/// What listeners would notice, of any number of tunes.
struct Ear {
    double tunes = 0, bars = 0, full = 0, home = 0, repeats = 0, repeated = 0;
    void hear(const std::string& abc);
    double full_bars() const { return bars > 0 ? full / bars : 0; }
    double at_home() const { return home / tunes; }  ///< ends on the key's own tone
    double recall() const {
        return repeats > 0 ? repeated / repeats : 0;
    }  ///< bars of the second phrase as in the first
};

/// Notes on staves, four bars each.
void draw(const Tune& tune, const std::string& path);
/// A WAV file of it.
void sound(const Tune& tune, const std::string& path);

}  // namespace music
