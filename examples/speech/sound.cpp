#include "speech/sound.hpp"

#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numbers>

#include "common/lesson.hpp"
#include "rondo/error.hpp"

namespace speech {
namespace {

constexpr std::size_t kFrame = 512, kHop = 256;

using Spectrum = std::array<std::complex<double>, kFrame>;

/// The discrete Fourier transform in place (Cooley and Tukey 1965).
void transform(Spectrum& a) {
    for (std::size_t i = 1, j = 0; i < kFrame; ++i) {  // bits of the index reversed
        std::size_t bit = kFrame >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) std::swap(a[i], a[j]);
    }
    for (std::size_t length = 2; length <= kFrame; length *= 2) {
        const std::complex<double> turn = std::polar(1.0, -2 * std::numbers::pi / static_cast<double>(length));
        for (std::size_t begin = 0; begin < kFrame; begin += length) {
            std::complex<double> w = 1;
            for (std::size_t i = begin; i < begin + length / 2; ++i, w *= turn) {
                const std::complex<double> odd = w * a[i + length / 2];
                a[i + length / 2] = a[i] - odd;
                a[i] += odd;
            }
        }
    }
}

double mel(double hertz) { return 1127 * std::log1p(hertz / 700); }

/// Which band a frequency of the transform belongs to: bands are equally wide in mel, from 80 to 8000 Hz; -1: none.
int band_of(std::size_t k) {
    const double hertz = static_cast<double>(k) * kRate / static_cast<double>(kFrame);
    const double share = (mel(hertz) - mel(80)) / (mel(8000) - mel(80));
    return share < 0 || share >= 1 ? -1 : static_cast<int>(share * kBands);
}

}  // namespace

void need_espeak() {
    if (std::system("espeak-ng --version > /dev/null 2>&1") != 0)
        throw lesson::Skip{"espeak-ng is not installed (apt-get install espeak-ng)"};
}

std::vector<float> speak(const Voice& voice, const std::string& words) {
    for (const std::string& text : {voice.name, words})
        rondo::require(text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -+") ==
                           std::string::npos,
                       "words", text, "must be letters, digits, blanks, - and +");
    const std::string command = "espeak-ng --stdout -v " + voice.name + " -p " + std::to_string(voice.pitch) + " -s " +
                                std::to_string(voice.speed) + " \"" + words + "\" 2> /dev/null";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string wave;
    std::array<char, 4096> buffer;
    for (std::size_t n; pipe && (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        wave.append(buffer.data(), n);
    const std::size_t head = 44;  // of a WAV file of 16-bit samples
    if (!pipe || ::pclose(pipe) != 0 || wave.size() <= head)
        throw rondo::Error(rondo::ErrorCode::io, "failed: " + command);
    std::vector<float> samples;
    for (std::size_t i = head; i + 1 < wave.size(); i += 2) {
        const auto low = static_cast<unsigned char>(wave[i]), high = static_cast<unsigned char>(wave[i + 1]);
        samples.push_back(static_cast<float>(static_cast<std::int16_t>(low | high << 8)) / 32768.0f);
    }
    return samples;
}

std::vector<float> log_mel(const std::vector<float>& samples) {
    std::vector<float> out;
    for (std::size_t begin = 0; begin + kFrame + kHop <= samples.size(); begin += 2 * kHop)
        for (const std::size_t from : {begin, begin + kHop}) {
            Spectrum spectrum;
            for (std::size_t i = 0; i < kFrame; ++i) {
                const double window = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / kFrame);
                spectrum[i] = window * static_cast<double>(samples[from + i]);
            }
            transform(spectrum);
            std::array<double, kBands> energy{};
            for (std::size_t k = 0; k < kFrame / 2; ++k)
                if (const int band = band_of(k); band >= 0)
                    energy[static_cast<std::size_t>(band)] += std::norm(spectrum[k]);
            for (const double e : energy) out.push_back(static_cast<float>(std::log(e + 1e-4)));
        }
    return out;
}

}  // namespace speech
