#pragma once
/// Text from a language model, one token at a time.
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
/// average however long the text. What is fed is read in pieces of 64 tokens and the rest one by one. Belongs to its
/// network, which must outlive it, and to the network's thread; each token waits for the stream given. Tokens are drawn
/// on the device, those that a Sampler would draw (but where two are so close that rounding decides), and only they come
/// to the host.
class RONDO_API Generator {
public:
    /// `logits` is the value to draw from, [T,1,classes]; the network's first input must be token ids. context: at most
    /// the memory of the network's attentions; 0 for a network without them.
    Generator(Network& network, SamplingSpec spec, Stream stream, std::string_view logits = "logits",
              std::int64_t context = 0);
    ~Generator();
    Generator(Generator&&) noexcept;
    Generator& operator=(Generator&&) noexcept;

    void reset();                                     ///< state zero, as at the start of a text
    void feed(std::span<const std::int32_t> tokens);  ///< reads them
    std::int32_t next();                 ///< draws a token and reads it. Throws Error (state) when nothing was fed yet.
    std::vector<double> logits() const;  ///< of the next token; empty before the first

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
