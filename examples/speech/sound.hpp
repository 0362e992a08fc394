#pragma once
/// Speech made by espeak-ng, and what a network hears of it.
#include <string>
#include <vector>

namespace speech {

/// A speaker: a voice and variant of espeak-ng, the pitch (0 to 99) and the words a minute.
struct Voice {
    std::string name;
    int pitch, speed;
};

/// Throws lesson::Skip where espeak-ng is not installed.
void need_espeak();

/// `words` as spoken by that voice, at kRate samples a second in [-1, 1]. Words and names may hold letters, blanks, -
/// and + only.
inline constexpr int kRate = 22050;
std::vector<float> speak(const Voice& voice, const std::string& words);

/// The logarithm of the energy in kBands bands of the mel scale (Stevens et al. 1937), two frames of 512 samples, 256
/// apart, in one step: [steps][2·kBands], about 43 steps a second.
inline constexpr int kBands = 24;
std::vector<float> log_mel(const std::vector<float>& samples);

}  // namespace speech
