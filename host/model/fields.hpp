#pragma once
/// Plain structs as maps of strings and back, exactly: a field is named once, in a visitor that both directions use.
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "rondo/text.hpp"

namespace rondo::model {

/// The words of an enumeration.
template <class Enum>
using Words = std::vector<std::pair<Enum, std::string_view>>;

class FieldWriter {
public:
    explicit FieldWriter(Metadata& out) : out_(out) {}

    template <class T>
    void operator()(const char* name, const T& value) {
        if constexpr (std::is_same_v<T, bool>) {
            out_[name] = value ? "true" : "false";
        } else if constexpr (std::is_arithmetic_v<T>) {
            char text[32];  // to_chars writes the shortest text that reads back as the same number
            const auto end = std::to_chars(text, text + sizeof text, value).ptr;
            out_[name] = std::string(text, end);
        } else {
            out_[name] = value;
        }
    }
    template <class Enum>
    void operator()(const char* name, Enum value, const Words<Enum>& words) {
        for (const auto& [word_of, word] : words)
            if (word_of == value) out_[name] = word;
    }

private:
    Metadata& out_;
};

/// Throws Error on a missing or malformed entry.
class FieldReader {
public:
    explicit FieldReader(const Metadata& in) : in_(in) {}

    const std::string& text(const char* name) const {
        const auto found = in_.find(name);
        if (found == in_.end()) throw Error(ErrorCode::io, detail::concat("metadata ", name, ": is missing"));
        return found->second;
    }

    template <class T>
    void operator()(const char* name, T& value) const {
        const std::string& word = text(name);
        if constexpr (std::is_same_v<T, bool>) {
            require(word == "true" || word == "false", name, word, "must be true or false");
            value = word == "true";
        } else if constexpr (std::is_arithmetic_v<T>) {
            const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
            require(error == std::errc() && end == word.data() + word.size(), name, word, "must be a number");
        } else {
            value = word;
        }
    }
    template <class Enum>
    void operator()(const char* name, Enum& value, const Words<Enum>& words) const {
        const std::string& word = text(name);
        for (const auto& [word_of, known] : words)
            if (known == word) {
                value = word_of;
                return;
            }
        refuse(name, word, "is no word this version knows");
    }

private:
    const Metadata& in_;
};

}  // namespace rondo::model
