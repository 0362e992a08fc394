#pragma once
/// Weights and inputs of stacks as files for `rondo run`.
#include <string>
#include <vector>

#include "rondo/rnn.hpp"
#include "rondo/safetensors.hpp"

namespace rondo::test {

/// Reproducible numbers in ±0.5, as the tensor's own type.
HostTensor random_tensor(const std::string& name, DType type, const Shape& shape, unsigned seed);

/// Every parameter of the stack, named with `prefix`.
std::vector<HostTensor> random_weights(const StackSpec& spec, DType type = DType::f64, const std::string& prefix = "");

HostTensor lengths_tensor(const std::vector<std::int64_t>& lengths);

void write_tensors(const std::string& path, const std::vector<HostTensor>& tensors);

/// A tensor's elements as doubles.
std::vector<double> read_tensor(const SafetensorsReader& file, const std::string& name);

}  // namespace rondo::test
