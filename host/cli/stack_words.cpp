#include "cli/stack_words.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace rondo::cli {

Merge parse_merge(std::string_view word) {
    if (word == "concatenate") return Merge::concatenate;
    if (word == "sum") return Merge::sum;
    if (word == "average") return Merge::average;
    refuse("merge", word, "must be one of concatenate, sum, average");
}

Biases parse_biases(std::string_view word) {
    if (word == "none") return Biases::none;
    if (word == "one") return Biases::one;
    if (word == "two") return Biases::two;
    refuse("biases", word, "must be one of none, one, two");
}

Direction parse_direction(std::string_view word) {
    if (word == "forward") return Direction::forward;
    if (word == "reverse") return Direction::reverse;
    if (word == "bidirectional") return Direction::bidirectional;
    refuse("direction", word, "must be one of forward, reverse, bidirectional");
}

RecurrentClip parse_recurrent_clip(std::string_view word) {
    if (word == "none") return {};
    const std::size_t colon = word.find(':');
    const std::string_view kind = word.substr(0, colon);
    if (colon != std::string_view::npos && (kind == "value" || kind == "norm")) {
        const std::string_view number = word.substr(colon + 1);
        RecurrentClip clip{kind == "value" ? RecurrentClip::Kind::value : RecurrentClip::Kind::norm, 0};
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), clip.limit);
        if (error == std::errc() && end == number.data() + number.size() && std::isfinite(clip.limit) && clip.limit > 0)
            return clip;
    }
    refuse("recurrent_clip", word, "must be none, value:LIMIT or norm:LIMIT with a limit above 0");
}

PoolSpec::Kind parse_pool(std::string_view word) {
    if (word == "last") return PoolSpec::Kind::last;
    if (word == "mean") return PoolSpec::Kind::mean;
    if (word == "max") return PoolSpec::Kind::max;
    refuse("pool", word, "must be one of last, mean, max");
}

EncoderSpec::Kind parse_model(std::string_view word) {
    if (word == "rnn") return EncoderSpec::Kind::rnn;
    if (word == "transformer") return EncoderSpec::Kind::transformer;
    refuse("model", word, "must be one of rnn, transformer");
}

PositionSpec::Kind parse_positions(std::string_view word) {
    if (word == "sinusoidal") return PositionSpec::Kind::sinusoidal;
    if (word == "learned") return PositionSpec::Kind::learned;
    refuse("positions", word, "must be one of sinusoidal, learned");
}

Seq2SeqSpec::Attention parse_attention(std::string_view word) {
    using Attention = Seq2SeqSpec::Attention;
    if (word == "none") return Attention::none;
    if (word == "dot") return Attention::dot;
    if (word == "general") return Attention::general;
    if (word == "additive") return Attention::additive;
    refuse("attention", word, "must be one of none, dot, general, additive");
}

Seq2SeqSpec::Decoder parse_decoder(std::string_view word) {
    using Decoder = Seq2SeqSpec::Decoder;
    if (word == "luong") return Decoder::luong;
    if (word == "input_feeding") return Decoder::input_feeding;
    if (word == "bahdanau") return Decoder::bahdanau;
    refuse("decoder", word, "must be one of luong, input_feeding, bahdanau");
}

Seq2SeqSpec::OwnWords parse_own_words(std::string_view word) {
    if (word == "drawn") return Seq2SeqSpec::OwnWords::drawn;
    if (word == "likeliest") return Seq2SeqSpec::OwnWords::likeliest;
    refuse("own_words", word, "must be one of drawn, likeliest");
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

Device open_device(const std::string& name, std::int64_t threads) {
    constexpr std::int64_t kMostThreads = 1024;
    require(threads >= 0 && threads <= kMostThreads, "threads", threads, "must be in [0, 1024]; 0: one a core");
    if (threads == 0) return Device::parse(name);
    require(name == "cpu" || name == "auto", "threads", threads, "is for --device cpu");
    return Device::cpu(static_cast<int>(threads));
}

}  // namespace rondo::cli
