#pragma once
/// An encoder-decoder in parts, whose nodes have the same names in each: parameters go from one to the others by name.
#include "rondo/seq2seq.hpp"

namespace rondo::model {

/// Value names that the decoder begins with.
struct Source {
    std::string memory;                ///< [S,B,width]
    std::vector<std::string> initial;  ///< recurrent: one a state of the decoder, empty: zero
};

/// The encoder and the bridge, from the input "source".
NetworkSpec source_network(const Seq2SeqSpec& spec, Source& source);
/// The decoder, from the inputs "target" and "memory"; states are carried. weights: with the value "weights".
NetworkSpec target_network(const Seq2SeqSpec& spec, bool weights);

}  // namespace rondo::model
