#pragma once
/// The program: its commands, and what becomes of their errors.
namespace CLI {
class App;
}

namespace rondo::cli {

/// 0: done. 2: the user's mistake, told in one line on stderr. 1: anything else.
int run_program(int argc, char** argv);

// Each adds its command, with a callback that does the work and throws rondo::Error.
void add_run(CLI::App& program);
void add_train(CLI::App& program);
void add_generate(CLI::App& program);
void add_eval(CLI::App& program);
void add_predict(CLI::App& program);
void add_translate(CLI::App& program);
void add_data(CLI::App& program);
void add_gradflow(CLI::App& program);
void add_info(CLI::App& program);

}  // namespace rondo::cli
