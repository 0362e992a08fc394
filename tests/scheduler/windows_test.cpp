/// Truncated BPTT's windows.
#include "scheduler/windows.hpp"

#include <gtest/gtest.h>

#include "rondo/error.hpp"

namespace rondo {
namespace {

using Windows = std::vector<Window>;

TEST(Windows, EqualNumbersCutTheSequenceIntoPieces) {
    EXPECT_EQ(truncation_windows(7, 3, 3), (Windows{{0, 3, 0}, {3, 6, 3}, {4, 7, 6}}));
    EXPECT_EQ(truncation_windows(6, 3, 3), (Windows{{0, 3, 0}, {3, 6, 3}}));
}

TEST(Windows, LongerHistoriesOverlap) {
    EXPECT_EQ(truncation_windows(9, 2, 5), (Windows{{0, 2, 0}, {0, 4, 2}, {1, 6, 4}, {3, 8, 6}, {4, 9, 8}}));
}

TEST(Windows, AHistoryAsLongAsTheSequenceReachesItsStart) {
    EXPECT_EQ(truncation_windows(5, 5, 5), (Windows{{0, 5, 0}}));
    EXPECT_EQ(truncation_windows(5, 100, 100), (Windows{{0, 5, 0}}));
    EXPECT_EQ(truncation_windows(5, 2, 100), (Windows{{0, 2, 0}, {0, 4, 2}, {0, 5, 4}}));
}

TEST(Windows, TakeEveryLossOnceAndBeginWhereAStateIsKept) {
    for (std::int64_t steps = 1; steps <= 23; ++steps)
        for (std::int64_t k1 = 1; k1 <= 8; ++k1)
            for (std::int64_t k2 = k1; k2 <= 25; ++k2) {
                const Windows windows = truncation_windows(steps, k1, k2);
                std::int64_t taken = 0, begin = 0, end = 0;
                for (const Window& w : windows) {
                    EXPECT_EQ(w.loss_begin, taken);
                    EXPECT_LE(w.begin, w.loss_begin);
                    EXPECT_EQ(w.end - w.begin, std::min(w.end, k2));
                    EXPECT_LE(w.end - w.loss_begin, k1);
                    EXPECT_GT(w.end, w.loss_begin);
                    EXPECT_GE(w.begin, begin);
                    EXPECT_LE(w.begin, end);
                    taken = end = w.end;
                    begin = w.begin;
                }
                EXPECT_EQ(taken, steps);
            }
}

TEST(Windows, RefuseWhatMakesNoSense) {
    EXPECT_THROW(truncation_windows(0, 1, 1), Error);
    EXPECT_THROW(truncation_windows(5, 0, 1), Error);
    EXPECT_THROW(truncation_windows(5, 3, 2), Error);
}

}  // namespace
}  // namespace rondo
