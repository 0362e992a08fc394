#pragma once
/// Tokens as text, piece by piece.
#include <string>

#include "cli/tokenizer.hpp"

namespace rondo::cli {

/// Puts pieces together so that each one given out is whole UTF-8: bytes of a character wait for the rest of it, and
/// bytes that can never be one become U+FFFD. Words are parted by spaces.
class TextStream {
public:
    TextStream(const Tokenizer& tokenizer, const std::string& before);

    std::string put(std::int32_t token);  ///< what can be shown now; may be empty
    std::string finish();                 ///< what was still waiting

private:
    std::string take_whole(bool last);

    const Tokenizer& tokenizer_;
    bool line_begins_;
    std::string waiting_;
};

}  // namespace rondo::cli
