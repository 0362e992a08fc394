#include "rondo/device.hpp"

#include "cpu/cpu_backend.hpp"
#include "rondo/error.hpp"
#if defined(RONDO_HAVE_CUDA)
#include "cuda/make_backend.hpp"
#endif

namespace rondo {

Device::Device(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {
    require(backend_ != nullptr, "backend", "null", "a device needs one");
}

Device Device::cpu(int threads) { return Device(std::make_shared<CpuBackend>(threads)); }

#if defined(RONDO_HAVE_CUDA)
Device Device::cuda(int ordinal) { return Device(rondo::cuda::make_backend(ordinal)); }
#else
Device Device::cuda(int) {
    throw Error(ErrorCode::unsupported, "device = cuda: this build has no CUDA code (RONDO_CUDA=OFF), use cpu");
}
#endif

Device Device::parse(std::string_view name) {
    if (name == "cpu") return cpu();
    if (name == "cuda") return cuda();
    require(name == "auto", "device", name, "must be one of auto, cpu, cuda");
#if defined(RONDO_HAVE_CUDA)
    if (rondo::cuda::has_gpu()) return cuda();
#endif
    return cpu();
}

std::string_view Device::name() const { return backend_->name(); }
std::string Device::description() const { return backend_->description(); }
void Device::check() const { backend_->throw_findings(); }

DeviceStream::DeviceStream(Device device) : device_(std::move(device)), stream_(device_.backend().make_stream()) {}
DeviceStream::~DeviceStream() { device_.backend().free_stream(stream_); }

}  // namespace rondo
