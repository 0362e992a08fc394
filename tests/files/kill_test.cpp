// A process that is killed while it saves: the file is the old one or the new one, whole.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <rondo/safetensors.hpp>

#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

constexpr std::int64_t kCount = 100'000;

[[noreturn]] void save_for_ever(const std::string& path, std::int64_t first) {
    std::vector<std::int64_t> values(kCount);
    try {
        for (std::int64_t generation = first;; ++generation) {
            std::fill(values.begin(), values.end(), generation);
            const NamedTensor tensor{"generation", {values.data(), {kCount}}};
            write_safetensors(path, {&tensor, 1});
        }
    } catch (...) {
        ::_exit(1);
    }
}

TEST(SafetensorsKill, LeavesTheFileWhole) {
    const test::TemporaryFolder folder;
    const std::string path = folder.file("a.safetensors");
    write_safetensors(path, std::vector<NamedTensor>{{"generation", {std::vector<std::int64_t>(kCount).data(), {kCount}}}});
    std::mt19937 random(3);
    std::set<std::int64_t> seen;
    int interrupted = 0;
    for (int round = 0; round < 60; ++round) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) save_for_ever(path, 1000 * (round + 1));
        std::this_thread::sleep_for(std::chrono::microseconds(500 + random() % 15000));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed to save";

        const SafetensorsReader reader(path);  // verifies the checksum
        std::vector<std::int64_t> values(kCount);
        reader.read(reader.tensor("generation"), values.data());
        for (const std::int64_t value : values) ASSERT_EQ(value, values[0]);
        seen.insert(values[0]);
        for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
            if (entry.path() != path) {
                ++interrupted;
                std::filesystem::remove(entry.path());
            }
    }
    // It was killed in the midst of saving, and between savings.
    EXPECT_GT(interrupted, 0);
    EXPECT_GT(seen.size(), 1u);
}

}  // namespace
}  // namespace rondo
