#pragma once
/// What a page's pieces of code print, held against what the page says.
#include <iostream>
#include <sstream>
#include <string>

namespace rondo::test {

/// Takes what is written to std::cout until it is destroyed.
class Page {
public:
    Page() : screen_(std::cout.rdbuf(printed_.rdbuf())) {}
    ~Page() { std::cout.rdbuf(screen_); }
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;

    /// The piece that began at a line is over.
    void expect(int line, const std::string& text) {
        if (printed_.str() != text) {
            std::cerr << "line " << line << " printed\n" << printed_.str() << "and not\n" << text;
            ++failures_;
        }
        printed_.str("");
        std::cout.flags(std::ios::dec | std::ios::skipws);
        std::cout.precision(6);
    }
    int failures() const { return failures_; }

private:
    std::ostringstream printed_;
    std::streambuf* screen_;
    int failures_ = 0;
};

}  // namespace rondo::test
