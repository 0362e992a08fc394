#pragma once
/// Parts that whole models are described with.
#include "rondo/sequence_model.hpp"

namespace rondo::model {

/// Nodes one after the other, each with one output that is named after it.
class Chain {
public:
    Chain(NetworkSpec& network, std::string prefix, std::string value)
        : network_(&network), prefix_(std::move(prefix)), value_(std::move(value)) {}

    NetworkSpec& network() const { return *network_; }
    const std::string& value() const { return value_; }
    std::string name(const std::string& node) const { return prefix_ + node; }
    /// Another chain with the same prefix, from here or from another value.
    Chain branch() const { return *this; }
    Chain branch(const std::string& value) const { return {*network_, prefix_, value}; }
    void go_on_from(const std::string& value) { value_ = value; }

    /// Goes on from what the module makes of the value and `others`.
    void add(const std::string& node, ModuleSpec module, std::vector<std::string> others = {});
    void drop(const std::string& node, double rate, bool per_sequence = false);

private:
    NetworkSpec* network_;
    std::string prefix_, value_;
};

/// The recurrent layers, whichever way they are described.
std::vector<LayerSpec> layers_of(const EncoderSpec& spec);
/// How many states a direction of it carries; the first is h.
int states_of(const LayerSpec& layer);
/// Width of the vectors that ids become on their way into the recurrent layers.
std::int64_t word_width(const EncoderSpec& spec);

/// Ids to vectors of `width`, or the numbers as they are.
void add_embedding(Chain& chain, const EncoderSpec& spec, std::int64_t width);

/// The recurrent layers, the node "rnn". initial: states by name, empty where they are carried or zero. With `states`:
/// the names of all final states are appended.
void add_stack(Chain& chain, const EncoderSpec& spec, std::int64_t width, std::vector<std::string> initial = {},
               std::vector<std::string>* states = nullptr);

/// What comes in as a transformer wants it: of its width, with positions, dropped out.
void add_positions(Chain& chain, const EncoderSpec& spec);

/// One block: attention to itself, attention to `memory` where one is named, two linear layers; each normalised before
/// and added to what was there. weights: the name under which those of the memory's attention can be read.
void add_block(Chain& chain, const std::string& name, const EncoderSpec& spec, bool causal,
               const std::string& memory = "", const std::string& weights = "");

/// Throws Error on the first field that is not allowed.
void check(const EncoderSpec& spec);

}  // namespace rondo::model
