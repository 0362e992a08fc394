#pragma once
/// Words cut into pieces by SentencePiece (Kudo and Richardson 2018), where the program was built with it.
#include <cstdint>
#include <memory>
#include <string>

namespace rondo::cli {

/// A model that cuts text. In a build without SentencePiece there is none: whatever makes one throws Error (unsupported)
/// that says what to install.
class Subwords {
public:
    /// A unigram model of the text's lines, of at most `pieces` pieces; the same for the same text.
    static Subwords train(const std::string& text, std::int64_t pieces);
    /// serialized: what a .model file holds. Throws Error where it is none.
    explicit Subwords(std::string serialized);

    const std::string& serialized() const { return serialized_; }
    /// The text's lines as pieces parted by spaces. In a piece U+2581 stands for a space, and no other is in one.
    std::string cut(const std::string& text) const;

private:
    struct Model;
    std::string serialized_;
    std::shared_ptr<const Model> model_;
};

/// The text that a piece stands for: U+2581 is a space, <0x41> the byte of that number.
std::string text_of_piece(const std::string& piece);

}  // namespace rondo::cli
