// The pool: every item once, ranges fixed by the numbers, calls within calls, sleeping and waking.
#include "cpu/thread_pool.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "rondo/error.hpp"

namespace rondo::cpu {
namespace {

struct Taken {
    std::int64_t begin, end;
    int thread;
    friend bool operator==(const Taken&, const Taken&) = default;
};

/// Who took what, by thread.
std::vector<Taken> taken(ThreadPool& pool, std::int64_t count, std::int64_t grain) {
    std::vector<Taken> all(static_cast<std::size_t>(pool.threads()), Taken{0, 0, -1});
    pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
        all[static_cast<std::size_t>(thread)] = {begin, end, thread};
    });
    return all;
}

TEST(ThreadPoolThreads, DoesEveryItemOnce) {
    for (int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        EXPECT_EQ(pool.threads(), threads);
        for (std::int64_t count : {0, 1, 2, 3, 7, 8, 9, 1000})
            for (std::int64_t grain : {0, 1, 2, 5, 2000}) {
                std::vector<int> done(static_cast<std::size_t>(count));
                pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end, int) {
                    for (std::int64_t i = begin; i < end; ++i) ++done[static_cast<std::size_t>(i)];
                });
                EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), count);
                for (int times : done) EXPECT_EQ(times, 1);
            }
    }
}

TEST(ThreadPoolThreads, SameRangesEveryTime) {
    ThreadPool pool(4);
    const std::vector<Taken> expected{{0, 25, 0}, {25, 51, 1}, {51, 77, 2}, {77, 103, 3}};
    for (int i = 0; i < 100; ++i) EXPECT_EQ(taken(pool, 103, 1), expected);
}

TEST(ThreadPoolThreads, GrainKeepsSmallWorkOnTheCaller) {
    ThreadPool pool(4);
    EXPECT_EQ(taken(pool, 7, 4)[0], (Taken{0, 7, 0}));
    EXPECT_EQ(taken(pool, 8, 4)[1], (Taken{4, 8, 1}));
    EXPECT_EQ(taken(pool, 8, 4)[2].thread, -1);
}

TEST(ThreadPoolThreads, RunsACallInsideACallInline) {
    ThreadPool pool(2);
    std::vector<int> done(40);
    pool.parallel_for(2, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t i = begin; i < end; ++i)
            pool.parallel_for(20, 1, [&](std::int64_t b, std::int64_t e, int) {
                for (std::int64_t j = b; j < e; ++j) ++done[static_cast<std::size_t>(i * 20 + j)];
            });
    });
    for (int times : done) EXPECT_EQ(times, 1);
}

TEST(ThreadPoolThreads, WakesUpAfterSleeping) {
    ThreadPool pool(3);
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(i * 50));
        std::int64_t sums[3] = {};
        pool.parallel_for(300, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            for (std::int64_t j = begin; j < end; ++j) sums[thread] += j;
        });
        EXPECT_EQ(sums[0] + sums[1] + sums[2], 300 * 299 / 2);
    }
}

TEST(ThreadPoolThreads, ManyCallsInARow) {
    ThreadPool pool(2);
    std::int64_t counts[2] = {};
    for (int i = 0; i < 20000; ++i)
        pool.parallel_for(2, 1,
                          [&](std::int64_t begin, std::int64_t end, int thread) { counts[thread] += end - begin; });
    EXPECT_EQ(counts[0], 20000);
    EXPECT_EQ(counts[1], 20000);
}

#if defined(__x86_64__)
// Gradients vanish through denormal numbers, which x86 multiplies a hundred times slower.
TEST(ThreadPoolThreads, DenormalsAreZeroInsideAndLeftAloneOutside) {
    ThreadPool pool(3);
    volatile float tiny = 1e-40f, one = 1, smallest = 1.2e-38f, tenth = 0.1f;
    int in[3] = {}, out[3] = {};
    pool.parallel_for(3, 1, [&](std::int64_t, std::int64_t, int thread) {
        in[thread] = tiny * one == 0.0f;
        out[thread] = smallest * tenth == 0.0f;
    });
    for (int thread = 0; thread < 3; ++thread) {
        EXPECT_TRUE(in[thread]) << thread;
        EXPECT_TRUE(out[thread]) << thread;
    }
    EXPECT_NE(tiny * one, 0.0f);
    EXPECT_NE(smallest * tenth, 0.0f);
}
#endif

TEST(ThreadPool, ZeroTakesTheCoresOfThisProcessAndNegativeIsRefused) {
    EXPECT_GE(ThreadPool(0).threads(), 1);
    EXPECT_THROW(ThreadPool(-1), Error);
}

}  // namespace
}  // namespace rondo::cpu
