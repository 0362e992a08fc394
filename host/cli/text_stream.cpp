#include "cli/text_stream.hpp"

namespace rondo::cli {
namespace {

/// Bytes at the front of `text` that are one character; 0: not yet known, more must come; -1: none begins here.
int character_bytes(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    if (first < 0x80) return 1;
    const int size = first >= 0xC2 && first < 0xE0   ? 2
                     : first >= 0xE0 && first < 0xF0 ? 3
                     : first >= 0xF0 && first < 0xF5 ? 4
                                                     : -1;
    if (size < 0) return -1;
    for (int i = 1; i < size; ++i) {
        if (static_cast<std::size_t>(i) >= text.size()) return 0;
        const auto byte = static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
        // The second byte also rules out overlong forms, surrogates and what is beyond U+10FFFF.
        const int low = i > 1 ? 0x80 : first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        const int high = i > 1 ? 0xBF : first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (byte < low || byte > high) return -1;
    }
    return size;
}

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, const std::string& before)
    : tokenizer_(tokenizer), line_begins_(before.empty() || before.back() == '\n' || before.back() == ' ') {}

std::string TextStream::put(std::int32_t token) {
    waiting_ += tokenizer_.text(token, line_begins_);
    return take_whole(false);
}

std::string TextStream::finish() { return take_whole(true); }

std::string TextStream::take_whole(bool last) {
    std::string whole;
    while (!waiting_.empty()) {
        const int size = character_bytes(waiting_);
        if (size == 0 && !last) break;
        whole += size > 0 ? waiting_.substr(0, static_cast<std::size_t>(size)) : "\uFFFD";
        waiting_.erase(0, size > 0 ? static_cast<std::size_t>(size) : 1);
    }
    return whole;
}

}  // namespace rondo::cli
