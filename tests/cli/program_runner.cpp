#include "cli/program_runner.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "support/temporary_folder.hpp"

namespace rondo::test {
namespace {

std::string& program() {
    static std::string path = RONDO_PROGRAM;
    return path;
}

pid_t start(const std::vector<std::string>& args, const std::string& out, const std::string& err) {
    std::vector<std::string> words = {program()};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child > 0) return child;
    const int out_file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int err_file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (out_file < 0 || err_file < 0 || nothing < 0) ::_exit(126);
    ::dup2(nothing, 0);
    ::dup2(out_file, 1);
    ::dup2(err_file, 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

}  // namespace

pid_t start_rondo(const std::vector<std::string>& args, const std::string& output) {
    return start(args, output, output);
}

int wait_for(pid_t child) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child) throw std::runtime_error("cannot wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void use_program(std::string path) { program() = std::move(path); }

Finished run_rondo(const std::vector<std::string>& args) {
    const TemporaryFolder folder;
    Finished finished;
    finished.exit_code = wait_for(start(args, folder.file("out"), folder.file("err")));
    finished.out = read_text(folder.file("out"));
    finished.err = read_text(folder.file("err"));
    return finished;
}

void expect_refused(const Finished& finished, const std::string& said) {
    EXPECT_EQ(finished.exit_code, 2) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(finished.err.rfind("rondo: ", 0), 0u) << finished.err;
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    EXPECT_NE(finished.err.find(said), std::string::npos) << "said: " << finished.err << "wanted: " << said;
}

}  // namespace rondo::test
