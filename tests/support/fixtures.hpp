#pragma once
/// Cases made by other systems: the files of tests/fixtures, written by the scripts beside them.
#include "support/problem.hpp"

namespace rondo::test {

struct Fixture {
    Problem problem;  ///< in f64
    Result result;    ///< what the other system got; tensors that it did not give are empty
    bool gradients;   ///< it gave gradients, not only outputs
};

/// What the other system got; tensors that it did not give are taken from `oracle`.
Result complete(const Fixture& fixture, const Result& oracle);

/// Every case of tests/fixtures/<name>.safetensors. Throws Error when the file cannot be read.
std::vector<Fixture> read_fixtures(const std::string& name);

}  // namespace rondo::test
