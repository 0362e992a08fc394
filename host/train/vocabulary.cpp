/// Texts and ids.
#include <algorithm>
#include <array>

#include "rondo/text.hpp"
#include "train/utf8.hpp"

namespace rondo {
namespace {

constexpr std::string_view kUnknown = "<unk>", kEndOfLine = "<eos>";
constexpr const char *kKindKey = "vocabulary.kind", *kTokensKey = "vocabulary.tokens";

constexpr std::array<std::pair<Vocabulary::Kind, std::string_view>, 3> kKinds{{
    {Vocabulary::Kind::bytes, "bytes"},
    {Vocabulary::Kind::characters, "characters"},
    {Vocabulary::Kind::words, "words"},
}};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// f(token) for every code point. Throws on what is not UTF-8.
template <class F>
void for_each_character(std::string_view text, F f) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = train::code_point_length(text, at);
        if (length == 0) refuse("text", detail::concat("byte ", at), "must be UTF-8, or read as bytes");
        f(text.substr(at, length));
        at += length;
    }
}

/// f(token) for every word and an <eos> for every line, the last one's too where it does not end in a new line.
template <class F>
void for_each_word(std::string_view text, F f) {
    for_each_character(text, [](std::string_view) {});
    bool in_line = false;
    for (std::size_t at = 0; at < text.size();) {
        if (is_space(text[at])) {
            if (text[at] == '\n') f(kEndOfLine);
            in_line = in_line && text[at] != '\n';
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && !is_space(text[end])) ++end;
        f(text.substr(at, end - at));
        in_line = true;
        at = end;
    }
    if (in_line) f(kEndOfLine);
}

template <class F>
void for_each_token(Vocabulary::Kind kind, std::string_view text, F f) {
    if (kind == Vocabulary::Kind::words)
        for_each_word(text, f);
    else
        for_each_character(text, f);
}

/// By falling count, equals by bytes, which for UTF-8 is by code point.
std::vector<std::string> by_count(const std::unordered_map<std::string_view, std::int64_t>& counts) {
    std::vector<std::pair<std::string_view, std::int64_t>> list(counts.begin(), counts.end());
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    std::vector<std::string> tokens;
    for (const auto& entry : list) tokens.emplace_back(entry.first);
    return tokens;
}

}  // namespace

Vocabulary Vocabulary::bytes() { return Vocabulary(Kind::bytes); }

Vocabulary Vocabulary::build(std::string_view text, Kind kind, std::int64_t limit) {
    require(!text.empty(), "text", "\"\"", "must not be empty");
    if (kind == Kind::bytes) {
        require(limit == 0, "limit", limit, "must be 0 for bytes, which are always 256");
        return bytes();
    }
    require(limit == 0 || limit >= 3, "limit", limit, "must be 0 (none) or at least 3");
    std::unordered_map<std::string_view, std::int64_t> counts;
    for_each_token(kind, text, [&](std::string_view token) { ++counts[token]; });
    Vocabulary vocabulary(kind);
    std::vector<std::string>& tokens = vocabulary.tokens_;
    tokens = by_count(counts);
    const auto cut = [&](std::int64_t size) {
        if (limit > 0 && static_cast<std::int64_t>(tokens.size()) > size) tokens.resize(static_cast<std::size_t>(size));
    };
    if (kind == Kind::characters) {
        cut(limit - 1);
        tokens.insert(tokens.begin(), std::string(kUnknown));
    } else {
        cut(limit);
        // <unk> and <eos> stay, instead of the rarest words where there is no room.
        std::size_t last = tokens.size();
        for (std::string_view needed : {kUnknown, kEndOfLine}) {
            if (std::find(tokens.begin(), tokens.end(), needed) != tokens.end()) continue;
            if (limit == 0 || static_cast<std::int64_t>(tokens.size()) < limit) {
                tokens.emplace_back(needed);
                continue;
            }
            do --last;
            while (tokens[last] == kUnknown || tokens[last] == kEndOfLine);
            tokens[last] = needed;
        }
    }
    vocabulary.index();
    return vocabulary;
}

void Vocabulary::index() {
    ids_.clear();
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
        // In a text of characters "<unk>" never occurs as one.
        require(ids_.emplace(tokens_[i], static_cast<std::int32_t>(i)).second, "vocabulary", tokens_[i],
                "is there twice");
    }
    const auto find = [&](std::string_view token) {
        const auto found = ids_.find(std::string(token));
        return found == ids_.end() ? -1 : found->second;
    };
    unknown_ = find(kUnknown);
    end_of_line_ = find(kind_ == Kind::words ? kEndOfLine : "\n");
    require(unknown_ >= 0, "vocabulary", "no <unk>", "must have it");
    require(kind_ != Kind::words || end_of_line_ >= 0, "vocabulary", "no <eos>", "must have it");
}

std::string Vocabulary::token(std::int32_t id) const {
    if (id < 0 || id >= size()) refuse("id", id, detail::concat("must be in [0, ", size(), ")"));
    return kind_ == Kind::bytes ? std::string(1, static_cast<char>(id)) : tokens_[static_cast<std::size_t>(id)];
}

std::int32_t Vocabulary::id(std::string_view token) const {
    if (kind_ == Kind::bytes) {
        require(token.size() == 1, "token", token, "must be one byte");
        return static_cast<unsigned char>(token[0]);
    }
    const auto found = ids_.find(std::string(token));
    return found == ids_.end() ? unknown_ : found->second;
}

std::vector<std::int32_t> Vocabulary::encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    if (kind_ == Kind::bytes) {
        ids.reserve(text.size());
        for (char c : text) ids.push_back(static_cast<unsigned char>(c));
    } else {
        for_each_token(kind_, text, [&](std::string_view token) { ids.push_back(id(token)); });
    }
    return ids;
}

std::string Vocabulary::decode(std::span<const std::int32_t> ids) const {
    std::string text;
    bool line_begins = true;
    for (std::int32_t id : ids) {
        const std::string word = token(id);
        if (kind_ != Kind::words) {
            text += word;
        } else if (id == end_of_line_) {
            text += '\n';
            line_begins = true;
        } else {
            if (!line_begins) text += ' ';
            text += word;
            line_begins = false;
        }
    }
    return text;
}

Metadata Vocabulary::to_metadata() const {
    Metadata metadata{{kKindKey, std::string(name_of(kind_))}};
    std::string& tokens = metadata[kTokensKey];
    // Words hold no white space; characters are parted by being characters, and <unk> is always the first.
    for (std::size_t i = kind_ == Kind::characters ? 1 : 0; i < tokens_.size(); ++i) {
        tokens += tokens_[i];
        if (kind_ == Kind::words) tokens += '\n';
    }
    return metadata;
}

Vocabulary Vocabulary::from_metadata(const Metadata& metadata) {
    const auto field = [&](const char* key) -> const std::string& {
        const auto found = metadata.find(key);
        if (found == metadata.end()) throw Error(ErrorCode::io, detail::concat("metadata ", key, ": is missing"));
        return found->second;
    };
    Vocabulary vocabulary(parse_kind(field(kKindKey)));
    const std::string& tokens = field(kTokensKey);
    switch (vocabulary.kind_) {
        case Kind::bytes:
            require(tokens.empty(), kTokensKey, tokens.size(), "must be empty for bytes");
            break;
        case Kind::characters:
            vocabulary.tokens_.emplace_back(kUnknown);
            for_each_character(tokens, [&](std::string_view c) { vocabulary.tokens_.emplace_back(c); });
            vocabulary.index();
            break;
        case Kind::words:
            for (std::size_t at = 0; at < tokens.size();) {
                const std::size_t end = tokens.find('\n', at);
                require(end != std::string::npos && end > at, kTokensKey, at, "must be words that end in new lines");
                vocabulary.tokens_.push_back(tokens.substr(at, end - at));
                at = end + 1;
            }
            vocabulary.index();
            break;
    }
    return vocabulary;
}

std::string_view Vocabulary::name_of(Kind kind) noexcept {
    for (const auto& [known, word] : kKinds)
        if (known == kind) return word;
    return "?";
}

Vocabulary::Kind Vocabulary::parse_kind(std::string_view word) {
    for (const auto& [kind, known] : kKinds)
        if (known == word) return kind;
    refuse("vocabulary", word, "must be one of bytes, characters, words");
}

}  // namespace rondo
