#pragma once
/// The CPU devices that this build has and this machine runs: one for each instruction set, and one with two threads.
#include <memory>
#include <vector>

#include "cpu/cpu_backend.hpp"
#include "support/isas.hpp"

namespace rondo::test {

inline std::vector<Device> cpu_devices() {
    std::vector<Device> devices;
    for (const cpu::Isa isa : isas()) devices.emplace_back(std::make_shared<CpuBackend>(1, isa));
    devices.push_back(Device::cpu(2));
    return devices;
}

}  // namespace rondo::test
