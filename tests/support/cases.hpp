#pragma once
/// The one table of configurations: gradient checks on every device draw from it.
#include "support/problem.hpp"

namespace rondo::test {

/// A configuration without its numbers.
struct Case {
    std::string name;
    StackSpec spec;  ///< in f64
    std::int64_t steps = 1, batch = 1;
    std::vector<std::int64_t> lengths;
    std::uint64_t seed = 0;
};

/// "lstm+peepholes H=3 P=2 bidirectional/sum biases=one"
std::string describe(const LayerSpec& layer);

/// Every cell with every option that its equations know; `hidden` is not set.
std::vector<LayerSpec> cell_variants();

/// Takes all dropout and zoneout away.
void draw_nothing(StackSpec& spec);

/// Whether every layer's gradient flows back step by step, so that it can be clipped there.
bool has_steps(const StackSpec& spec);

/// Whether rounding stays what it is. Layer normalisation blows it up where a few values happen to be close, or where it
/// is given what other layers have rounded: in one way of computing and not in another. Of a single feature it takes the
/// size away, so that dx is what its gates' gradients leave when they cancel out.
bool keeps_rounding_small(const StackSpec& spec);

/// Every variant x direction and merge x biases x with and without lengths, extents in turn.
std::vector<Case> single_layer_cases();

/// Every variant x H in {1, 3, 31, 32, 33} x T in {1, 2} x B in {1, 5}.
std::vector<Case> edge_cases();

/// `count` random stacks of one to three layers, each with a cell, direction and options of its own; some drop out.
std::vector<Case> stack_cases(int count);

/// Stacks of two to five layers that can run as a wavefront, made of so many random ones: all layers in one direction,
/// by turns in reverse. The last two are of mixed cells over three pieces of time.
std::vector<Case> wavefront_cases(int count);

/// Every variant over 256 steps, and wider ones over 64.
std::vector<Case> long_cases();

/// Cells whose time loops can run in one launch, with more units and rows than one block of such a launch takes.
std::vector<Case> loop_cases();

/// Every variant with 127 units.
std::vector<Case> wide_cases();

/// 6000 steps.
std::vector<Case> endless_cases();

/// Cells of every build with so many rows that a plan works through the steps in three chunks.
std::vector<Case> chunked_cases();

/// The case with its numbers, in its precision.
Problem make_problem(const Case& c, Precision precision = Precision::f64());

}  // namespace rondo::test
