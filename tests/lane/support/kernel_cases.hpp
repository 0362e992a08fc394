#pragma once
/// The lane's own kernels, each as something that can be run and judged.
#include <functional>
#include <string>
#include <vector>

#include "lane/kernels/bugs.hpp"

namespace rondo::lane_test {

struct KernelCase {
    std::string name;
    /// Runs it with a fault planted; whether the numbers came out right. Throws Error where the device failed.
    std::function<bool(Bug)> run;
};

const std::vector<KernelCase>& kernel_cases();
const KernelCase& kernel_case(const std::string& name);

}  // namespace rondo::lane_test
