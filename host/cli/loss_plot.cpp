// The loss as a picture, drawn by gnuplot where it is installed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/training_log.hpp"

namespace rondo::cli {
namespace {

namespace fs = std::filesystem;

bool on_path(const char* program) {
    const char* path = std::getenv("PATH");
    if (!path) return false;
    std::string folders(path);
    folders += ':';
    for (std::size_t begin = 0, end; (end = folders.find(':', begin)) != std::string::npos; begin = end + 1) {
        std::error_code ignored;
        const fs::path candidate = fs::path(folders.substr(begin, end - begin)) / program;
        if (fs::is_regular_file(candidate, ignored)) return true;
    }
    return false;
}

/// A gnuplot string in single quotes, where nothing but the quote is special.
std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
}

}  // namespace

Plot plot_log(const TrainingLog& log, const std::string& folder) {
    if (!on_path("gnuplot")) return {"", "gnuplot is not installed"};
    const std::string path = (fs::path(folder) / "loss.png").string(), temporary = path + ".tmp";
    // Lines of evaluations.csv of one split each; the ternary leaves the others out.
    const auto split = [&](const char* name) {
        return quoted(log.evaluations_path()) + " using 1:(strcol(4) eq '" + name +
               "' ? column(5) : NaN) with points pt 7 ps 0.9 title '" + name + "'";
    };
    std::string script = "set terminal png size 900,540\nset output " + quoted(temporary) +
                         "\nset datafile separator ','\nset xlabel 'step'\nset ylabel '" +
                         std::string(log.is_language() ? "loss (nats a token)" : "loss") + "'\nset grid\nplot " +
                         quoted(log.path()) + " skip 1 using 1:5 with lines lw 2 title 'training'";
    for (const char* name : {"validation", "test"}) script += ", " + split(name);
    script += "\n";

    std::FILE* gnuplot = ::popen("gnuplot >/dev/null 2>&1", "w");
    if (!gnuplot) return {"", "gnuplot cannot be started"};
    std::fputs(script.c_str(), gnuplot);
    const int status = ::pclose(gnuplot);
    std::error_code error;
    if (status == 0 && fs::exists(temporary, error) && fs::file_size(temporary, error) > 0) {
        fs::rename(temporary, path, error);
        if (!error) return {path, ""};
    }
    fs::remove(temporary, error);
    return {"", "gnuplot failed"};
}

}  // namespace rondo::cli
