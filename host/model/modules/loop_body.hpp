#pragma once
/// What runs in a loop's steps: its body as a network of its own, whose inputs and values are also what goes from step to
/// step.
#include "model/network_plan.hpp"

namespace rondo::model {

/// Something that goes from step to step.
struct LoopState {
    std::string name, value;  ///< as it is carried; what a step makes, in the body
    DType dtype;
    std::int64_t width;  ///< 0: ids
    bool vector;         ///< [B,width] in the body, a stack's; otherwise [1,B,width], or [1,B] ids

    Shape inner_shape(std::int64_t batch) const {
        if (vector) return {batch, width};
        return width > 0 ? Shape{1, batch, width} : Shape{1, batch};
    }
    Shape shape(std::int64_t batch) const { return width > 0 ? Shape{batch, width} : Shape{batch}; }
    std::int64_t bytes(std::int64_t batch) const { return shape(batch).size() * size_of(dtype); }
};

/// The body with all that goes from step to step as its inputs and values.
struct LoopBody {
    LoopBody(const LoopSpec& spec, const Precision& precision);

    NetworkSpec network;
    std::vector<LoopState> states;
    int steps = 0, whole = 0;  ///< so many inputs; the states follow
    std::vector<std::string> outputs;

    std::vector<std::string> exports() const;  ///< the values that are read from outside it

private:
    void open(Node& node, const StackSpec& stack, const Precision& precision);
    void check(const Node& node) const;
};

/// Whose lengths the body's inputs have: those of the node's, and one row more for those of a step.
struct LoopLengths {
    int steps = -1;  ///< the outer network's input; -1: not ragged
    int inner = -1;  ///< where a step's lengths stand in the body's list
    std::vector<int> of_input;

    LoopLengths(const LoopBody& body, std::span<const ValueInfo* const> inputs);
};

/// The body planned for one step of what the node is given. wanted: gradients, one an input of the node.
std::unique_ptr<NetworkPlan> plan_step(const Graph& graph, const LoopBody& body, Mode mode, bool observe,
                                       std::span<const ValueInfo* const> inputs, std::span<const bool> wanted);

}  // namespace rondo::model
