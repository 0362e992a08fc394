/// The lane's test programs: gtest, with --lane=SCHEDULE for the order in which everything runs (schedule.hpp), and with
/// every test answerable for what it leaves behind on the device.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "lane/emulator/schedule.hpp"
#include "lane/standin/standin.hpp"

// A race ends the process at once: what follows it would be guesswork.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }

namespace {

using namespace rondo::lane;

constexpr int kDevices = 2;  // so that what belongs to another one is seen

class Answerable : public testing::EmptyTestEventListener {
public:
    explicit Answerable(Schedule schedule) : schedule_(schedule) {}

    void OnTestStart(const testing::TestInfo&) override {
        set_schedule(schedule_);
        set_devices(kDevices);
        let_waits_expire(false);
        reset_counters();
        handles_ = undestroyed_handles();
        unfreed_ = unfreed_memory().size();
    }

    void OnTestEnd(const testing::TestInfo&) override {
        // Left by host code that lives longer than one test: its own business, and no more than before.
        const std::vector<std::string> unfreed = unfreed_memory();
        const std::string failure = take_failure();
        if (!failure.empty()) ADD_FAILURE() << "a kernel failed and nobody looked: " << failure;
        if (unfreed.size() > unfreed_) ADD_FAILURE() << "not freed: " << unfreed.back();
        if (undestroyed_handles() > handles_) ADD_FAILURE() << "a stream, event, graph or handle was not destroyed";
        lift_memory_limit();
        set_multiprocessors(8);
        set_devices(kDevices);
        static_cast<void>(cudaSetDevice(0));
    }

private:
    Schedule schedule_;
    std::int64_t handles_ = 0;
    std::size_t unfreed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    Schedule schedule;
    try {
        for (int i = 1; i < argc; ++i) {
            constexpr std::string_view kOption = "--lane=";
            const std::string_view argument = argv[i];
            if (argument.substr(0, kOption.size()) == kOption)
                schedule = Schedule::parse(argument.substr(kOption.size()));
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
    testing::UnitTest::GetInstance()->listeners().Append(new Answerable(schedule));
    return RUN_ALL_TESTS();
}
