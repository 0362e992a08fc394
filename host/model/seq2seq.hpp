#pragma once
/// An encoder-decoder in parts, whose nodes have the same names in each: parameters go from one to the others by name.
#include "rondo/seq2seq.hpp"

namespace rondo::model {

/// Value names that the decoder begins with.
struct Source {
    std::string memory;                ///< [S,B,width]
    std::vector<std::string> initial;  ///< recurrent: one a state of the decoder, empty: zero
};

/// The encoder with all that is made of its memory once, from the input "source"; and the decoder, from the inputs
/// "target" and values of the other by their names, which reads on from what it carries.
struct Halves {
    NetworkSpec source, target;
    std::vector<std::string> initial;  ///< Source::initial
};
/// weights: the decoder with the value "weights". steps: of the target that a transformer remembers.
Halves halves_of(const Seq2SeqSpec& spec, bool weights, std::int64_t steps);

}  // namespace rondo::model
