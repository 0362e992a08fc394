#pragma once
/// A network's names resolved: modules, who reads which value, where each parameter block lies. Knows no extents.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/module.hpp"

namespace rondo::model {

inline constexpr int kAbsentValue = -1;

struct GraphNode {
    std::string name;
    std::unique_ptr<Module> module;
    std::vector<int> inputs, outputs;   ///< values, one a port; kAbsentValue where not given
    std::vector<int> blocks;            ///< storage blocks, one a ParameterBlock of the module
    std::vector<CarriedState> carried;  ///< one a state; width 0 where an input port gives it
};

struct GraphValue {
    std::string name;
    int producer = -1;  ///< node; -1: network input
    int input = -1;     ///< network input
    int readers = 0;
    bool differentiable = false;  ///< depends on parameters, or an input whose gradient is wanted
    bool exported = false;        ///< read from outside, which may give it a gradient
};

/// Parameters of one block in the array.
struct StorageBlock {
    std::int64_t offset = 0, count = 0;
};

/// What the ids of a network input must fit.
struct InputCheck {
    std::int64_t classes = 0;  ///< below this where not 0
    bool is_target = false;    ///< read by a loss: negative ids are left out
    int prediction = -1;       ///< the value a target is compared with
    // Module::aligned, target_classes and forbidden of the loss.
    bool aligned = true;
    std::int64_t target_classes = 0;
    std::int32_t forbidden = -1;
};

struct Graph {
    /// exports: values that are read from outside.
    explicit Graph(const NetworkSpec& spec, std::span<const std::string> exports = {});

    std::vector<GraphValue> values;  ///< the network's inputs come first
    std::vector<GraphNode> nodes;
    std::vector<StorageBlock> blocks;
    std::vector<NetworkParameter> parameters;
    std::vector<TensorSpec> tensors;  ///< like parameters, with what initialisation needs
    std::vector<InputCheck> inputs;
    std::int64_t parameter_count = 0;

    int value(std::string_view name) const;  ///< throws Error when there is none

private:
    void add_inputs(const NetworkSpec& spec);
    void add_node(const NetworkSpec& spec, const Node& node);
    void connect(GraphNode& node, const Node& spec);
    void check_loss(const GraphNode& node);
    void lay_out(const NetworkSpec& spec);
};

}  // namespace rondo::model
