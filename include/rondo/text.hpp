#pragma once
/// Text as token ids, and token ids as batches of parallel streams.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rondo/network.hpp"

namespace rondo {

/// Which text is which id. Immutable; any number of threads may read one.
///   bytes       256 ids, the bytes themselves
///   characters  UTF-8 code points by falling count (ties: by code point); id 0 is <unk>
///   words       what white space separates, by falling count (ties: by bytes); each line ends in <eos>; <unk> stands
///               for all other words, and is always there
class RONDO_API Vocabulary {
public:
    enum class Kind { bytes, characters, words };

    /// Of a text. limit: at most so many ids, the most frequent; 0 for no limit (bytes: must be 0).
    /// Throws Error on an empty text, and on characters or words that are not UTF-8, with the byte's offset.
    static Vocabulary build(std::string_view text, Kind kind, std::int64_t limit = 0);
    static Vocabulary bytes();

    Kind kind() const noexcept { return kind_; }
    std::int64_t size() const noexcept {
        return kind_ == Kind::bytes ? 256 : static_cast<std::int64_t>(tokens_.size());
    }
    std::string token(std::int32_t id) const;  ///< throws Error when there is no such id
    /// The id of a token, that of <unk> where there is none.
    std::int32_t id(std::string_view token) const;
    std::int32_t unknown() const noexcept { return unknown_; }  ///< -1 for bytes
    std::int32_t end_of_line() const noexcept {
        return end_of_line_;
    }  ///< words: <eos>; otherwise the id of '\n' or -1

    /// Throws Error on text that is not UTF-8 (characters, words).
    std::vector<std::int32_t> encode(std::string_view text) const;
    /// Words are parted by one space, <eos> is a new line.
    std::string decode(std::span<const std::int32_t> ids) const;

    /// "vocabulary.kind" and "vocabulary.tokens"; from_metadata is the inverse and throws Error on anything else.
    Metadata to_metadata() const;
    static Vocabulary from_metadata(const Metadata& metadata);

    static std::string_view name_of(Kind kind) noexcept;
    static Kind parse_kind(std::string_view word);  ///< "bytes", "characters" or "words"

    friend bool operator==(const Vocabulary& a, const Vocabulary& b) {
        return a.kind_ == b.kind_ && a.tokens_ == b.tokens_;
    }

private:
    explicit Vocabulary(Kind kind) : kind_(kind) {}
    void index();

    Kind kind_;
    std::vector<std::string> tokens_;
    std::unordered_map<std::string, std::int32_t> ids_;
    std::int32_t unknown_ = -1, end_of_line_ = -1;
};

/// A text cut into B streams that are read side by side: stream b holds tokens b·n to (b+1)·n, n = floor(count / B);
/// what is left over is dropped. At each of n - 1 steps the target is the next token. Immutable; any number of threads.
class RONDO_API TokenStreams {
public:
    /// Throws Error when there are not at least two tokens for each stream.
    TokenStreams(std::span<const std::int32_t> tokens, std::int64_t batch);

    std::int64_t batch() const noexcept { return batch_; }
    std::int64_t steps() const noexcept { return steps_; }
    /// Steps [begin, end) as host views [end - begin, B].
    ConstView inputs(std::int64_t begin, std::int64_t end) const;
    ConstView targets(std::int64_t begin, std::int64_t end) const;

private:
    std::int64_t batch_, steps_;
    std::vector<std::int32_t> tokens_;  // [steps + 1, B]
};

}  // namespace rondo
