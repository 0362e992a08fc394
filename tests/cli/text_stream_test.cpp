#include "cli/text_stream.hpp"

#include <gtest/gtest.h>

namespace rondo::cli {
namespace {

std::vector<std::string> pieces_of(const std::string& bytes) {
    const Tokenizer tokenizer;
    TextStream stream(tokenizer, "");
    std::vector<std::string> pieces;
    for (const char c : bytes) pieces.push_back(stream.put(static_cast<unsigned char>(c)));
    pieces.push_back(stream.finish());
    return pieces;
}
std::string together(const std::string& bytes) {
    std::string text;
    for (const std::string& piece : pieces_of(bytes)) text += piece;
    return text;
}

TEST(TextStream, GivesWholeCharacters) {
    EXPECT_EQ(
        pieces_of("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
        (std::vector<std::string>{"a", "", "\xc3\xbc", "", "", "\xe2\x82\xac", "", "", "", "\xf0\x9f\x98\x80", ""}));
}

TEST(TextStream, ReplacesWhatIsNoCharacter) {
    EXPECT_EQ(together("\xff"
                       "a"),
              "\uFFFD"
              "a");
    EXPECT_EQ(together("\x80"), "\uFFFD");
    EXPECT_EQ(together("\xc3"
                       "a"),
              "\uFFFD"
              "a");
    EXPECT_EQ(together("\xe2\x82"), "\uFFFD\uFFFD");                      // cut off
    EXPECT_EQ(together("\xc0\xaf"), "\uFFFD\uFFFD");                      // overlong
    EXPECT_EQ(together("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");            // a surrogate
    EXPECT_EQ(together("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // past U+10FFFF
    EXPECT_EQ(together("\xe2\xc3\xbc"), "\uFFFD\xc3\xbc");                // the next one begins
}

TEST(TextStream, PartsWordsBySpaces) {
    const Vocabulary vocabulary = Vocabulary::build("the cat sees the dog\n", Vocabulary::Kind::words);
    const Tokenizer tokenizer(vocabulary);
    TextStream stream(tokenizer, "the");
    std::string text = "the";
    for (const char* word : {"cat", "sees", "<eos>", "the", "dog"}) text += stream.put(vocabulary.id(word));
    EXPECT_EQ(text, "the cat sees\nthe dog");
}

}  // namespace
}  // namespace rondo::cli
