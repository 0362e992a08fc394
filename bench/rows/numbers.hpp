#pragma once
/// Numbers on a command line.
#include <charconv>
#include <cstdint>
#include <string>

#include "rondo/error.hpp"

namespace rondo::bench {

/// Throws Error that names the flag unless the word is a number of at least `least`.
inline double number(const std::string& flag, const std::string& word, double least) {
    double value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require(error == std::errc{} && end == word.data() + word.size() && value >= least, flag, word,
            detail::concat("must be a number of at least ", least));
    return value;
}

inline std::int64_t whole(const std::string& flag, const std::string& word, std::int64_t least) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    require(error == std::errc{} && end == word.data() + word.size() && value >= least, flag, word,
            detail::concat("must be a whole number of at least ", least));
    return value;
}

}  // namespace rondo::bench
