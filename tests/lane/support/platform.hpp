#pragma once
/// What tests of the device layer need to know of where they run: on_lane.cpp or on_gpu.cpp is linked.
#include <functional>
#include <string>

namespace rondo::lane_test {

/// Empty, or why device code cannot run here.
std::string no_device();
/// Runs it in every order there is (on a GPU: once).
void in_every_order(const std::function<void()>& body);
/// Until the end of the test, waits whose limit is short may end without what they wait for.
void expect_expiry();

}  // namespace rondo::lane_test
