#pragma once
/// Runs the program as a user does.
#include <sys/types.h>

#include <string>
#include <vector>

namespace rondo::test {

struct Finished {
    int exit_code = -1;  ///< -1: ended by a signal
    std::string out, err;
};

/// Another program than the build's own, from now on.
void use_program(std::string path);

/// Runs `rondo args...` to its end.
Finished run_rondo(const std::vector<std::string>& args);

/// Starts it with both outputs in a file, for tests that send it signals.
pid_t start_rondo(const std::vector<std::string>& args, const std::string& output);
/// Waits for its end; the exit code, or -1 when a signal ended it.
int wait_for(pid_t child);

/// A user's mistake: exit code 2, nothing on stdout, one line on stderr that begins "rondo: " and contains `said`.
void expect_refused(const Finished& finished, const std::string& said);

}  // namespace rondo::test
