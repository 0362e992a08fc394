#pragma once
/// Whether a caller's memory fits a plan.
#include "scheduler/backend.hpp"

namespace rondo {

/// Throw Error naming the argument, what it is and what it should be; also where it is no memory of the device.
void check(const Plan& plan, const ForwardArgs& args, const Backend& backend);
void check(const Plan& plan, const BackwardArgs& args, const Backend& backend);
void check_states(const Plan& plan, const Backend& backend, std::string_view name, std::span<const View> list);
/// prepared, reserve and workspace: present where the plan needs any, and on a multiple of 64 bytes.
void check_buffer(const Backend& backend, std::string_view name, const void* p, std::int64_t bytes);

}  // namespace rondo
