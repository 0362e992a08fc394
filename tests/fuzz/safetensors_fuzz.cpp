// libFuzzer's door to the safetensors reader: any bytes are refused with an Error or read.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rondo/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string path = "/tmp/rondo-fuzz-" + std::to_string(::getpid());
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size || std::fclose(file) != 0) std::abort();
    try {
        const rondo::SafetensorsReader reader(path);
        for (const rondo::TensorInfo& tensor : reader.tensors()) {
            std::vector<char> bytes(static_cast<std::size_t>(tensor.bytes()));
            reader.read(tensor, bytes.data());
        }
    } catch (const rondo::Error&) {
    }
    std::remove(path.c_str());
    return 0;
}
