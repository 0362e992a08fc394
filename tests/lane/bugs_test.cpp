/// The lane's own teeth: every fault planted into its kernels is found by the legs that this table promises. That the
/// kernels without a fault come out right in every order is tested with the device layer.
#include <gtest/gtest.h>

#include <cstdio>

#include "lane/emulator/sanitizer.hpp"
#include "lane/emulator/schedule.hpp"
#include "lane/standin/standin.hpp"
#include "lane/support/child.hpp"
#include "lane/support/kernel_cases.hpp"

namespace rondo::lane_test {
namespace {

using lane::Schedule;

/// Which legs find a fault: all that are named must, by name of the kernel and number of the fault.
enum Leg : unsigned { kPlain = 1, kAddresses = 2, kRaces = 4, kAll = 7 };

constexpr unsigned this_leg() {
    if (lane::kThreadSanitizer) return kRaces;
    return lane::kAddressSanitizer ? kAddresses : kPlain;
}

struct Planted {
    const char* kernel;
    const char* name;
    Bug bug;
    unsigned legs;
};

std::ostream& operator<<(std::ostream& out, const Planted& planted) {
    return out << planted.kernel << " with " << planted.name;
}

const Planted kPlanted[] = {
    {"axpy", "one_too_many", Bug::one_too_many, kAddresses},
    {"row_sums", "wild_shared_index", Bug::wild_shared_index, kAddresses},
    {"row_sums", "missing_barrier", Bug::missing_barrier, kAll},
    {"row_sums", "divergent_shuffle", Bug::divergent_shuffle, kAll},
    {"row_sums", "barrier_in_branch", Bug::barrier_in_branch, kAll},
    {"mirror", "missing_syncwarp", Bug::missing_syncwarp, kAll},
    {"mirror", "half_warp_leaves", Bug::half_warp_leaves, kAll},
    {"mirror", "misaligned_load", Bug::misaligned_load, kAll},
    {"grid_loop", "missing_barrier", Bug::missing_barrier, kAll},
    {"grid_loop", "single_buffer", Bug::single_buffer, kAll},
    {"grid_loop", "swapped_fragments", Bug::swapped_fragments, kAll},
    {"grid_loop", "block_barrier_only", Bug::block_barrier_only, kAll},
    {"grid_loop", "one_block_stays_away", Bug::one_block_stays_away, kAll},
    {"relay", "unordered_flag", Bug::unordered_flag, kRaces},
    {"relay", "forgotten_flag", Bug::forgotten_flag, kAll},
    {"cluster_loop", "block_instead_of_cluster", Bug::block_instead_of_cluster, kAll},
    {"cluster_loop", "leaves_early", Bug::leaves_early, kAll},
    {"pushed_loop", "leaves_early", Bug::leaves_early, kAll},
    {"pushed_loop", "late_init", Bug::late_init, kAll},
    {"pushed_loop", "arrives_twice", Bug::arrives_twice, kAll},
    {"pushed_loop", "no_wait_for_data", Bug::no_wait_for_data, kAll},
    {"pushed_loop", "wrong_parity", Bug::wrong_parity, kAll},
    {"pushed_loop", "single_buffer", Bug::single_buffer, kAll},
    {"tiles_bulk", "no_wait_for_data", Bug::no_wait_for_data, kAll},
    {"tiles_bulk", "wrong_parity", Bug::wrong_parity, kAll},
    {"tiles_bulk", "no_wait_for_room", Bug::no_wait_for_room, kAll},
    {"tiles_bulk", "wrong_byte_count", Bug::wrong_byte_count, kAll},
    {"tiles_bulk", "misaligned_load", Bug::misaligned_load, kAll},
    {"tiles_async", "no_barrier_after_wait", Bug::no_barrier_after_wait, kAll},
    {"tiles_async", "waits_for_one_too_few", Bug::waits_for_one_too_few, kAll},
};

/// In all schedules of a self-test.
bool run_all_orders(const KernelCase& kernel, Bug bug) {
    for (const Schedule& schedule : lane::test_schedules()) {
        lane::set_schedule(schedule);
        if (kernel.run(bug)) continue;
        std::fprintf(stderr, "wrong numbers in schedule %s\n", schedule.name().c_str());
        return false;
    }
    return true;
}

class LaneTeeth : public testing::TestWithParam<Planted> {};

TEST_P(LaneTeeth, FindThePlantedFault) {
    const Planted& planted = GetParam();
    if ((planted.legs & this_leg()) == 0) GTEST_SKIP() << "for another leg to find";
    const Outcome outcome = run_in_child([&] { return run_all_orders(kernel_case(planted.kernel), planted.bug); });
    EXPECT_FALSE(outcome.clean) << outcome.output;
    RecordProperty("found", outcome.output.substr(0, 300));
}

INSTANTIATE_TEST_SUITE_P(Planted, LaneTeeth, testing::ValuesIn(kPlanted), [](const auto& planted) {
    return std::string(planted.param.kernel) + "_" + planted.param.name;
});

}  // namespace
}  // namespace rondo::lane_test
