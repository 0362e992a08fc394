// A process that is killed while it saves: the file is the old one or the new one, whole.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <new>
#include <random>
#include <rondo/safetensors.hpp>
#include <set>
#include <thread>
#include <vector>

#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

constexpr std::int64_t kCount = 100'000;

/// Seen by parent and child.
struct Shared {
    std::atomic<std::int64_t> saved{0};
};

[[noreturn]] void save_for_ever(const std::string& path, std::int64_t first, Shared& shared) {
    std::vector<std::int64_t> values(kCount);
    try {
        for (std::int64_t generation = first;; ++generation) {
            std::fill(values.begin(), values.end(), generation);
            const NamedTensor tensor{"generation", {values.data(), {kCount}}};
            write_safetensors(path, {&tensor, 1});
            ++shared.saved;
        }
    } catch (...) {
        ::_exit(1);
    }
}

TEST(SafetensorsKill, LeavesTheFileWhole) {
    const test::TemporaryFolder folder;
    const std::string path = folder.file("a.safetensors");
    write_safetensors(path,
                      std::vector<NamedTensor>{{"generation", {std::vector<std::int64_t>(kCount).data(), {kCount}}}});
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::mt19937 random(3);
    std::set<std::int64_t> seen;
    int interrupted = 0;
    for (int round = 0; round < 60; ++round) {
        Shared& shared = *new (memory) Shared;
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) save_for_ever(path, 1000 * (round + 1), shared);
        // At some moment of the second saving, however fast this machine saves.
        const auto start = std::chrono::steady_clock::now();
        int status = 0;
        while (shared.saved == 0) ASSERT_EQ(::waitpid(child, &status, WNOHANG), 0) << "the child failed to save";
        const std::chrono::duration<double> one_saving = std::chrono::steady_clock::now() - start;
        std::this_thread::sleep_for(one_saving * (random() % 1000 / 1000.0));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
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
    ::munmap(memory, sizeof(Shared));
    // It was killed in the midst of saving, and between savings.
    EXPECT_GT(interrupted, 0);
    EXPECT_GT(seen.size(), 1u);
}

}  // namespace
}  // namespace rondo
