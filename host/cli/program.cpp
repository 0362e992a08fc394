#include "cli/program.hpp"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <new>
#include <string>

#include "rondo/error.hpp"
#include "rondo/version.hpp"

namespace rondo::cli {
namespace {

constexpr int kInternal = 1, kUserError = 2;

int complain(std::string message, int exit_code) {
    std::replace(message.begin(), message.end(), '\n', ' ');
    fmt::print(stderr, "rondo: {}\n", message);
    return exit_code;
}

/// What was printed may still wait for a disk without room.
int flushed() {
    std::cout.flush();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout)
        return complain("stdout = closed or full: must be writable", kUserError);
    return 0;
}

bool is_mistake(ErrorCode code) {
    return code == ErrorCode::invalid_argument || code == ErrorCode::unsupported || code == ErrorCode::io;
}

}  // namespace

int run_program(int argc, char** argv) {
    CLI::App program("Recurrent networks: run, train, generate, evaluate.", "rondo");
    program.set_version_flag("--version", RONDO_VERSION_STRING);
    program.require_subcommand(0, 1);  // a word that is no command is told by name
    try {
        add_run(program);
        add_train(program);
        add_generate(program);
        add_eval(program);
        add_predict(program);
        add_translate(program);
        add_data(program);
        add_gradflow(program);
        add_info(program);
        program.parse(argc, argv);
        if (program.get_subcommands().empty()) return complain("a command is needed (see rondo --help)", kUserError);
        return flushed();
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {  // --help, --version
            program.exit(error);
            return flushed();
        }
        return complain(std::string(error.what()) + " (see rondo --help)", kUserError);
    } catch (const Error& error) {
        return complain(error.what(), is_mistake(error.code()) ? kUserError : kInternal);
    } catch (const std::bad_alloc&) {
        return complain("out of memory", kInternal);
    } catch (const std::exception& error) {
        return complain(std::string("internal error: ") + error.what(), kInternal);
    }
}

}  // namespace rondo::cli
