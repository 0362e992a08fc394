#include "rondo/device.hpp"

#include "cpu/cpu_backend.hpp"
#include "rondo/error.hpp"

namespace rondo {

Device::Device(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {
    require(backend_ != nullptr, "backend", "null", "a device needs one");
}

Device Device::cpu(int threads) { return Device(std::make_shared<CpuBackend>(threads)); }

Device Device::parse(std::string_view name) {
    if (name == "auto" || name == "cpu") return cpu();
    if (name == "cuda") throw Error(ErrorCode::unsupported, "device = cuda: this build runs on auto or cpu only");
    refuse("device", name, "must be one of auto, cpu, cuda");
}

std::string_view Device::name() const { return backend_->name(); }
std::string Device::description() const { return backend_->description(); }

}  // namespace rondo
