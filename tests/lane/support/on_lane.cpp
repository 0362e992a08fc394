#include <gtest/gtest.h>

#include "lane/emulator/schedule.hpp"
#include "lane/support/platform.hpp"

namespace rondo::lane_test {

std::string no_device() { return {}; }

void in_every_order(const std::function<void()>& body) {
    for (const lane::Schedule& schedule : lane::test_schedules()) {
        SCOPED_TRACE("in schedule " + schedule.name());
        lane::set_schedule(schedule);
        body();
    }
}

void expect_expiry() { lane::let_waits_expire(true); }

}  // namespace rondo::lane_test
