#pragma once
/// Whether a caller's memory fits a plan.
#include "rondo/rnn.hpp"

namespace rondo {

/// Throw Error naming the argument, what it is and what it should be.
void check(const Plan& plan, const ForwardArgs& args, bool host_memory);
void check(const Plan& plan, const BackwardArgs& args, bool host_memory);
void check_states(const Plan& plan, std::string_view name, std::span<const View> list);
/// prepared, reserve and workspace: present where the plan needs any, and on a multiple of 64 bytes.
void check_buffer(std::string_view name, const void* p, std::int64_t bytes);

}  // namespace rondo
