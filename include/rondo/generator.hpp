#pragma once
/// Text from a language model.
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "rondo/network.hpp"

namespace rondo {

/// How a token is drawn from logits. temperature 0 takes the most likely one (the first of equals).
struct SamplingSpec {
    double temperature = 1;
    std::int64_t top_k = 0;  ///< only the k most likely; 0: all
    double top_p = 1;        ///< only the most likely that together reach this probability (at least one)
    std::uint64_t seed = 1;
    friend bool operator==(const SamplingSpec&, const SamplingSpec&) = default;
};

/// Throws Error naming the field that is not allowed.
RONDO_API void validate(const SamplingSpec& spec);

/// Draws tokens: softmax(logits / temperature), cut to top_k, renormalised, cut to top_p, renormalised; the n-th draw
/// takes the n-th number of Philox under the seed. On the host; one thread at a time.
class RONDO_API Sampler {
public:
    explicit Sampler(SamplingSpec spec);
    /// Throws Error when there are no logits or one is NaN.
    std::int32_t sample(std::span<const double> logits);
    /// The probabilities the next draw would use.
    std::vector<double> probabilities(std::span<const double> logits) const;

private:
    SamplingSpec spec_;
    std::uint64_t draws_ = 0;
};

/// Runs a language model that carries what it has read: a recurrent one for ever, a transformer (with_memory) for
/// `context` tokens; when they are full it begins anew with the later half of them, so that a token costs the same on
/// average however long the text. What is fed is read in pieces of 64 tokens and the rest one by one.
///
/// Tokens are drawn and read on the device, those that a Sampler would draw (but where two are so close that rounding
/// decides), without the host in between: only the tokens come to it, when all that were asked for are there (and
/// whenever a context is full). On a stream that can be recorded, such as a DeviceStream, up to kRecorded of them are one
/// recording, which is run again and again.
///
/// It may write several texts beside each other, the rows of a batch; row b of the n-th draw takes the number of Philox
/// at the counter (n, b). Belongs to its network, which must outlive it, and to the network's thread.
class RONDO_API Generator {
public:
    static constexpr std::int64_t kRecorded = 16;  ///< tokens

    /// `logits` is the value to draw from, [T,B,classes]; the network's first input must be token ids. context: at most
    /// the memory of the network's attentions; 0 for a network without them. batch: texts.
    Generator(Network& network, SamplingSpec spec, Stream stream, std::string_view logits = "logits",
              std::int64_t context = 0, std::int64_t batch = 1);
    ~Generator();
    Generator(Generator&&) noexcept;
    Generator& operator=(Generator&&) noexcept;

    void reset();                                     ///< state zero, as at the start of a text
    void feed(std::span<const std::int32_t> tokens);  ///< reads them, [any,B]: of all texts equally many
    /// Draws `count` tokens a text and reads them: [count,B]. Throws Error (state) when nothing was fed yet, and Error
    /// (invalid_argument) where a logit was no number: the texts then have an end, and something must be fed after a
    /// reset.
    std::vector<std::int32_t> next(std::int64_t count);
    std::int32_t next();                 ///< the same of one token of one text
    std::vector<double> logits() const;  ///< of the next tokens, [B,classes]; empty before the first

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
