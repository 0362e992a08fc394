/// Vocabularies and token streams.
#include "rondo/text.hpp"

#include <gtest/gtest.h>

namespace rondo {
namespace {

using Kind = Vocabulary::Kind;

TEST(Vocabulary, BytesAreThemselves) {
    const Vocabulary v = Vocabulary::build("any", Kind::bytes);
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    EXPECT_EQ(v.size(), 256);
    const auto ids = v.encode(all);
    for (int i = 0; i < 256; ++i) EXPECT_EQ(ids[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(v.decode(ids), all);
    EXPECT_EQ(v.unknown(), -1);
    EXPECT_EQ(v.id("\xff"), 255);
    EXPECT_THROW(v.id("ab"), Error);
    EXPECT_THROW(Vocabulary::build("any", Kind::bytes, 10), Error);
}

TEST(Vocabulary, CharactersByCount) {
    const std::string text = "naïve €uro, naïve naïve\n";
    const Vocabulary v = Vocabulary::build(text, Kind::characters);
    EXPECT_EQ(v.size(), 13);  // <unk> n a ï v e space € u r o , newline
    EXPECT_EQ(v.unknown(), 0);
    // Three each of the space, a, e, n, v, ï: in the order of code points.
    std::string order;
    for (std::int32_t i = 1; i <= 6; ++i) order += v.token(i);
    EXPECT_EQ(order, " aenvï");
    EXPECT_EQ(v.decode(v.encode(text)), text);
    EXPECT_EQ(v.encode("ï€").size(), 2u);
    EXPECT_EQ(v.id("\n"), v.end_of_line());
    EXPECT_EQ(v.encode("z"), std::vector<std::int32_t>{0});
    EXPECT_EQ(v.decode(v.encode("zen")), "<unk>en");
    EXPECT_THROW(v.token(13), Error);
    EXPECT_THROW(v.token(-1), Error);
}

TEST(Vocabulary, WordsByCountWithAnEndForEveryLine) {
    const std::string text = "the cat saw the dog\n\n  the  <unk> dog\tran";
    const Vocabulary v = Vocabulary::build(text, Kind::words);
    EXPECT_EQ(v.token(0), "<eos>");  // three, as `the`; the bytes decide
    EXPECT_EQ(v.token(1), "the");
    EXPECT_EQ(v.token(2), "dog");
    EXPECT_EQ(v.size(), 7);
    const auto ids = v.encode(text);
    EXPECT_EQ(ids.size(), 5 + 1 + 1 + 4 + 1u);
    EXPECT_EQ(v.decode(ids), "the cat saw the dog\n\nthe <unk> dog ran\n");
    EXPECT_EQ(v.encode(v.decode(ids)), ids);
    EXPECT_EQ(v.id("mouse"), v.id("<unk>"));
    EXPECT_EQ(v.unknown(), v.id("<unk>"));
    EXPECT_EQ(v.end_of_line(), 0);
}

TEST(Vocabulary, AddsWhatItNeeds) {
    const Vocabulary v = Vocabulary::build("a b", Kind::words);
    EXPECT_EQ(v.size(), 4);  // <eos> a b <unk>
    EXPECT_EQ(v.encode("a c\n"), (std::vector<std::int32_t>{v.id("a"), v.unknown(), v.end_of_line()}));
}

TEST(Vocabulary, KeepsTheMostFrequent) {
    const std::string text = "a a a b b b c c d e f\n";
    for (std::int64_t limit : {3, 4, 5, 6, 8, 9, 100}) {
        const Vocabulary v = Vocabulary::build(text, Kind::words, limit);
        EXPECT_EQ(v.size(), std::min<std::int64_t>(limit, 8)) << limit;
        EXPECT_EQ(v.token(0), "a");
        EXPECT_NO_THROW(v.token(v.unknown()));
        EXPECT_EQ(v.token(v.end_of_line()), "<eos>");
        EXPECT_EQ(v.id("f") == v.unknown(), limit < 8) << limit;
        EXPECT_EQ(v.id("b") == v.unknown(), limit < 4) << limit;
    }
    const Vocabulary c = Vocabulary::build("aaabbc", Kind::characters, 3);
    EXPECT_EQ(c.size(), 3);
    EXPECT_EQ(c.encode("abc"), (std::vector<std::int32_t>{1, 2, 0}));
    EXPECT_THROW(Vocabulary::build(text, Kind::words, 2), Error);
    EXPECT_THROW(Vocabulary::build(text, Kind::words, -1), Error);
}

TEST(Vocabulary, SurvivesMetadata) {
    const std::string text = "naïve €uro, \"naïve\"\tcat\\s\n\r\nend {}\n";
    for (Kind kind : {Kind::bytes, Kind::characters, Kind::words})
        for (std::int64_t limit : {0, 5}) {
            if (kind == Kind::bytes && limit > 0) continue;
            const Vocabulary v = Vocabulary::build(text, kind, limit);
            const Vocabulary back = Vocabulary::from_metadata(v.to_metadata());
            EXPECT_EQ(back, v);
            EXPECT_EQ(back.encode(text), v.encode(text));
            EXPECT_EQ(back.unknown(), v.unknown());
            EXPECT_EQ(back.end_of_line(), v.end_of_line());
            EXPECT_EQ(Vocabulary::parse_kind(Vocabulary::name_of(kind)), kind);
        }
}

TEST(Vocabulary, RefusesDamagedMetadata) {
    const auto refused = [](const std::string& kind, const std::string& tokens) {
        EXPECT_THROW(Vocabulary::from_metadata({{"vocabulary.kind", kind}, {"vocabulary.tokens", tokens}}), Error)
            << kind << ": " << tokens;
    };
    refused("letters", "");
    refused("bytes", "a");
    refused("characters", "aba");
    refused("characters", "a\xff");
    refused("words", "a\n<eos>\n");            // no <unk>
    refused("words", "a\n<unk>\n");            // no <eos>
    refused("words", "<eos>\n<unk>\na\na\n");  // twice
    refused("words", "<eos>\n<unk>\na");       // cut off
    refused("words", "<eos>\n\n<unk>\n");
    EXPECT_THROW(Vocabulary::from_metadata({{"vocabulary.kind", "bytes"}}), Error);
    EXPECT_THROW(Vocabulary::from_metadata({}), Error);
}

TEST(Vocabulary, RefusesWhatIsNotText) {
    for (Kind kind : {Kind::bytes, Kind::characters, Kind::words}) EXPECT_THROW(Vocabulary::build("", kind), Error);
    const Vocabulary v = Vocabulary::build("ab", Kind::characters);
    // Lone and missing continuation bytes, overlong forms, surrogates, beyond U+10FFFF.
    for (const char* bad : {"ab\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x98"}) {
        EXPECT_THROW(Vocabulary::build(bad, Kind::characters), Error) << bad;
        EXPECT_THROW(Vocabulary::build(bad, Kind::words), Error) << bad;
        EXPECT_THROW(v.encode(bad), Error) << bad;
    }
    for (const char* good : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                             "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(v.encode(good).size(), 1u);
    try {
        Vocabulary::build("abc\xff", Kind::characters);
        ADD_FAILURE();
    } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find("byte 3"), std::string::npos) << e.what();
    }
}

TEST(TokenStreams, LieSideBySide) {
    std::vector<std::int32_t> tokens(14);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(i);
    const TokenStreams streams(tokens, 3);  // 0-3, 4-7, 8-11; 12 and 13 are left over
    EXPECT_EQ(streams.batch(), 3);
    EXPECT_EQ(streams.steps(), 3);
    const auto list = [](const ConstView& v) {
        const auto* p = static_cast<const std::int32_t*>(v.data);
        return std::vector<std::int32_t>(p, p + v.shape.size());
    };
    EXPECT_EQ(streams.inputs(0, 2).shape, (Shape{2, 3}));
    EXPECT_EQ(list(streams.inputs(0, 2)), (std::vector<std::int32_t>{0, 4, 8, 1, 5, 9}));
    EXPECT_EQ(list(streams.targets(0, 2)), (std::vector<std::int32_t>{1, 5, 9, 2, 6, 10}));
    EXPECT_EQ(list(streams.targets(2, 3)), (std::vector<std::int32_t>{3, 7, 11}));
    EXPECT_THROW(streams.inputs(0, 4), Error);
    EXPECT_THROW(streams.targets(2, 2), Error);
    EXPECT_THROW(streams.inputs(-1, 2), Error);
}

TEST(TokenStreams, RefuseShortTexts) {
    const std::vector<std::int32_t> tokens(5, 1);
    EXPECT_EQ(TokenStreams(tokens, 2).steps(), 1);
    EXPECT_EQ(TokenStreams(tokens, 1).steps(), 4);
    EXPECT_THROW(TokenStreams(tokens, 3), Error);
    EXPECT_THROW(TokenStreams(tokens, 6), Error);
    EXPECT_THROW(TokenStreams(tokens, 0), Error);
    EXPECT_THROW(TokenStreams({}, 1), Error);
    EXPECT_THROW(TokenStreams(std::span(tokens).first(1), 1), Error);
}

}  // namespace
}  // namespace rondo
