#include "cli/stack_files.hpp"

#include <random>

#include "reference/names.hpp"
#include "rondo/convert.hpp"

namespace rondo::test {

HostTensor random_tensor(const std::string& name, DType type, const Shape& shape, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<double> numbers;
    for (std::int64_t i = 0; i < shape.size(); ++i) numbers.push_back(random() / 4294967296.0 - 0.5);
    HostTensor tensor(name, type, shape);
    convert_elements(type, tensor.data.data(), DType::f64, numbers.data(), shape.size());
    return tensor;
}

std::vector<HostTensor> random_weights(const StackSpec& spec, DType type, const std::string& prefix) {
    std::vector<HostTensor> tensors;
    unsigned seed = 100;
    for (const reference::Parameter& p : reference::parameters(spec)) {
        const bool vector = p.name.rfind("bias", 0) == 0 || p.name.rfind("weight_peephole", 0) == 0 ||
                            p.name.rfind("weight_norm", 0) == 0;
        tensors.push_back(
            random_tensor(prefix + p.name, type, vector ? Shape{p.rows} : Shape{p.rows, p.columns}, ++seed));
    }
    return tensors;
}

HostTensor lengths_tensor(const std::vector<std::int64_t>& lengths) {
    return HostTensor("lengths", Shape{static_cast<std::int64_t>(lengths.size())},
                      std::span<const std::int64_t>(lengths));
}

void write_tensors(const std::string& path, const std::vector<HostTensor>& tensors) {
    std::vector<NamedTensor> named;
    for (const HostTensor& tensor : tensors) named.push_back({tensor.name, tensor.view()});
    write_safetensors(path, named);
}

std::vector<double> read_tensor(const SafetensorsReader& file, const std::string& name) {
    const TensorInfo& tensor = file.tensor(name);
    std::vector<double> numbers(static_cast<std::size_t>(tensor.shape.size()));
    file.read_as(tensor, DType::f64, numbers.data());
    return numbers;
}

}  // namespace rondo::test
