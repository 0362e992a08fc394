#include "cli/subwords.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "rondo/error.hpp"
#if RONDO_HAVE_SENTENCEPIECE
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#endif

namespace rondo::cli {

#if RONDO_HAVE_SENTENCEPIECE

namespace {

namespace sp = sentencepiece;

class Lines final : public sp::SentenceIterator {
public:
    explicit Lines(const std::string& text) : stream_(text) { Lines::Next(); }
    bool done() const override { return !stream_; }
    void Next() override { std::getline(stream_, line_); }
    const std::string& value() const override { return line_; }
    sp::util::Status status() const override { return {}; }

private:
    std::istringstream stream_;
    std::string line_;
};

}  // namespace

struct Subwords::Model {
    sp::SentencePieceProcessor processor;
};

Subwords Subwords::train(const std::string& text, std::int64_t pieces) {
    Lines lines(text);
    std::string serialized;
    // One thread: sums are the same on every machine. What begins and ends a text is Rondo's own.
    const sp::util::Status status = sp::SentencePieceTrainer::Train({{"vocab_size", std::to_string(pieces)},
                                                                     {"hard_vocab_limit", "false"},
                                                                     {"character_coverage", "1"},
                                                                     {"num_threads", "1"},
                                                                     {"bos_id", "-1"},
                                                                     {"eos_id", "-1"},
                                                                     {"minloglevel", "2"}},
                                                                    &lines, &serialized);
    if (!status.ok()) refuse("vocabulary", pieces, std::string("makes no subwords of this text: ") + status.message());
    return Subwords(std::move(serialized));
}

Subwords::Subwords(std::string serialized) : serialized_(std::move(serialized)) {
    const auto model = std::make_shared<Model>();
    const bool good = !serialized_.empty() && model->processor.LoadFromSerializedProto(serialized_).ok();
    require(good, "subword_model", detail::concat(serialized_.size(), " bytes"), "must be a SentencePiece model");
    model_ = model;
}

std::string Subwords::cut(const std::string& text) const {
    std::string out;
    std::vector<std::string> pieces;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line); out += '\n') {
        const sp::util::Status status = model_->processor.Encode(line, &pieces);
        if (!status.ok()) throw Error(ErrorCode::state, std::string("SentencePiece: ") + status.message());
        for (std::size_t i = 0; i < pieces.size(); ++i) out += (i ? " " : "") + pieces[i];
    }
    return out;
}

#else

struct Subwords::Model {};

Subwords Subwords::train(const std::string&, std::int64_t) { return Subwords(""); }

Subwords::Subwords(std::string) {
    throw Error(ErrorCode::unsupported,
                "tokens = subwords: this build is without SentencePiece; install it (Debian: libsentencepiece-dev), "
                "configure and build again");
}

std::string Subwords::cut(const std::string&) const { return {}; }

#endif

std::string text_of_piece(const std::string& piece) {
    constexpr std::string_view kSpace = "\u2581";
    if (unsigned byte = 0; piece.size() == 6 && piece.starts_with("<0x") && piece.back() == '>' &&
                           std::from_chars(&piece[3], &piece[5], byte, 16).ptr == &piece[5])
        return std::string(1, static_cast<char>(byte));
    std::string text = piece;
    for (std::size_t at = 0; (at = text.find(kSpace, at)) != std::string::npos;) text.replace(at, kSpace.size(), " ");
    return text;
}

}  // namespace rondo::cli
