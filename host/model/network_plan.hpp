#pragma once
/// A network at one extent: shapes, places in the arena, and who writes which gradient.
#include <memory>
#include <span>
#include <vector>

#include "model/graph.hpp"

namespace rondo::model {

/// Values, nodes and ports are numbered by int, where -1 is none; this is for those that are there.
inline std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// What a plan depends on, for one input.
struct InputExtent {
    bool present = false, ragged = false;
    Shape shape;
    friend bool operator==(const InputExtent&, const InputExtent&) = default;
};

/// A network that runs as part of another (LoopSpec): its inputs lie in the other's memory.
struct InnerInput {
    int lengths = -1;      ///< whose valid steps it has, in the list of lengths that it will be run with; -1: none
    bool gradient = true;  ///< wanted
};

/// A gradient that a node's backward writes: straight to its value's gradient if it is the first to, otherwise to
/// scratch, to be added.
struct GradientEdge {
    int input;           ///< port
    bool first = false;  ///< to write it
    std::int64_t scratch = kNoBuffer;
};

struct PlannedNode {
    bool active = false;    ///< false: a loss without its target
    bool backward = false;  ///< lies between a parameter and a loss
    std::unique_ptr<PlannedModule> module;
    std::vector<GradientEdge> edges;
    // Pointers into the arena, set by NetworkPlan::bind.
    std::vector<Place> inputs, outputs;
    std::vector<BlockPlace> blocks;
};

struct PlannedValue {
    bool present = false;
    ValueInfo info;
    std::int64_t data = kNoBuffer, gradient = kNoBuffer;
    bool data_reused = false;        ///< a reader writes over it in forward
    bool replaced = false;           ///< its own or a reader's gradient takes its place in training
    bool gradient_replaced = false;  ///< the gradient of what it was made of takes its gradient's place
};

struct PlannedInput {
    std::int64_t lengths = kNoBuffer;          ///< i64 [B]
    std::vector<std::int32_t> staged;          ///< ids with padding made safe; only ragged
    std::vector<std::int64_t> targets_before;  ///< [T+1]: targets (elements) that count before step t; only targets
};

/// Immutable once built, but for pointers and staging.
struct NetworkPlan {
    /// inner: one an input where the graph is part of another network; empty for a network of its own.
    NetworkPlan(const Graph& graph, const NetworkSpec& spec, Mode mode, bool observe, std::vector<InputExtent> extents,
                std::vector<InnerInput> inner = {});

    Mode mode;
    bool observe;  ///< backward tells what it sees
    std::vector<InputExtent> extents;
    std::vector<InnerInput> inner;
    Ledger ledger;
    std::int64_t forward_bytes = 0;  ///< of the arena; from here on there are only gradients, until the workspace
    std::vector<PlannedValue> values;
    std::vector<PlannedInput> inputs;
    std::vector<PlannedNode> nodes;
    std::vector<int> backward_order;           ///< the losses, then the other nodes from last to first
    std::vector<const std::int64_t*> lengths;  ///< device memory, set by bind
    std::int64_t batch = 0;                    ///< rows of the carried states; 0: no stack carries any

    /// Points everything into an arena of ledger.bytes(), gradients beyond forward_bytes so much further.
    void bind(const Graph& graph, std::byte* arena, std::span<const BlockPlace> blocks,
              std::int64_t gradient_shift = 0);
    std::byte* gradient_of(const PlannedValue& value) const;  ///< null where it has none
    /// Adds what a node wrote beside the gradients of values that had one already.
    void add_scratch(const Graph& graph, std::size_t node, Backend& backend, Stream stream) const;
    std::byte* arena = nullptr;
    std::int64_t gradient_shift = 0;
    std::uint64_t bound = 0;  ///< names this plan in this arena

private:
    void infer_inputs(const Graph& graph, const NetworkSpec& spec);
    void infer_node(const Graph& graph, std::size_t n);
    void mark_backward(const Graph& graph);
    void place_values(const Graph& graph);
    void place_gradients(const Graph& graph);
    void plan_modules(const Graph& graph);
    std::byte* place_of(std::int64_t offset) const;
};

}  // namespace rondo::model
