/// What is refused, and that the message names the field at fault.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "support/harness.hpp"

namespace rondo::test {
namespace {

const Device kDevice = Device::cpu(1);

/// An lstm under a bidirectional gru, ragged and dropping out: every check has something to check.
StackSpec good_spec() {
    LayerSpec lstm{.cell = "lstm", .hidden = 4, .projection = 2};
    LayerSpec gru{.cell = "gru", .hidden = 3, .direction = Direction::bidirectional, .dropout = 0.5};
    return {.input = 2, .layers = {lstm, gru}, .precision = Precision::f64()};
}
Problem good_problem() { return random_problem("good", good_spec(), 5, 3, {5, 0, 3}, 1); }

void expect_error(ErrorCode code, const std::string& word, const std::function<void()>& f) {
    try {
        f();
        ADD_FAILURE() << "nothing was refused, for \"" << word << '"';
    } catch (const Error& e) {
        EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.what();
        EXPECT_EQ(std::string(e.what()).rfind(word, 0), 0u) << '"' << e.what() << "\" does not begin with " << word;
    }
}

struct Refusal {
    const char* field;
    std::function<void(StackSpec&)> spoil;
};

TEST(RnnErrorsTest, StacksThatAreNotAllowed) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
    using Clip = RecurrentClip::Kind;
    const Refusal refusals[] = {
        {"input", [](StackSpec& s) { s.input = 0; }},
        {"input", [](StackSpec& s) { s.input = -1; }},
        {"layers", [](StackSpec& s) { s.layers.clear(); }},
        {"cell", [](StackSpec& s) { s.layers[1].cell = "fancy"; }},
        {"cell", [](StackSpec& s) { s.layers[1].cell = ""; }},
        {"cell", [](StackSpec& s) { s.layers[0].options.reset_before = true; }},
        {"cell", [](StackSpec& s) { s.layers[1].options.peepholes = true; }},
        {"cell", [](StackSpec& s) { s.layers[1].options.coupled = true; }},
        {"layers[0].hidden", [](StackSpec& s) { s.layers[0].hidden = 0; }},
        {"layers[1].hidden", [](StackSpec& s) { s.layers[1].hidden = -3; }},
        {"layers[0].projection", [](StackSpec& s) { s.layers[0].projection = -1; }},
        {"layers[0].projection", [](StackSpec& s) { s.layers[0].projection = 4; }},
        {"layers[1].projection", [](StackSpec& s) { s.layers[1].projection = 1; }},
        {"layers[0].cell_clip", [](StackSpec& s) { s.layers[0].cell_clip = -1; }},
        {"layers[0].cell_clip", [=](StackSpec& s) { s.layers[0].cell_clip = kNan; }},
        {"layers[0].cell_clip", [=](StackSpec& s) { s.layers[0].cell_clip = kInf; }},
        {"layers[1].cell_clip", [](StackSpec& s) { s.layers[1].cell_clip = 1; }},
        {"layers[1].dropout", [](StackSpec& s) { s.layers[1].dropout = 1; }},
        {"layers[1].dropout", [](StackSpec& s) { s.layers[1].dropout = -0.1; }},
        {"layers[1].dropout", [=](StackSpec& s) { s.layers[1].dropout = kNan; }},
        {"layers[0].dropout_per_sequence", [](StackSpec& s) { s.layers[0].dropout_per_sequence = true; }},
        {"layers[1].recurrent_dropout", [](StackSpec& s) { s.layers[1].recurrent_dropout = 1; }},
        {"layers[1].recurrent_dropout",
         [](StackSpec& s) {
             s.layers[1].options.reset_before = true;
             s.layers[1].recurrent_dropout = 0.5;
         }},
        {"layers[1].recurrent_dropout",
         [](StackSpec& s) {
             s.layers[1].cell = "mingru";
             s.layers[1].recurrent_dropout = 0.5;
         }},
        {"layers[1].weight_dropout", [=](StackSpec& s) { s.layers[1].weight_dropout = kNan; }},
        {"layers[1].weight_dropout",
         [](StackSpec& s) {
             s.layers[1].cell = "minlstm";
             s.layers[1].weight_dropout = 0.5;
         }},
        {"layers[0].zoneout", [](StackSpec& s) { s.layers[0].zoneout = 0.1; }},
        {"layers[1].zoneout", [](StackSpec& s) { s.layers[1].zoneout = -0.1; }},
        {"layers[1].zoneout_cell", [](StackSpec& s) { s.layers[1].zoneout_cell = 0.1; }},
        {"layers[0].zoneout_cell", [](StackSpec& s) { s.layers[0].zoneout_cell = 1; }},
        {"recurrent_clip",
         [](StackSpec& s) {
             s.layers[1].cell = "mingru";
             s.recurrent_clip = {Clip::value, 1};
         }},
        {"layers[0].merge", [](StackSpec& s) { s.layers[0].merge = Merge::sum; }},
        {"layers[0].merge", [](StackSpec& s) { s.layers[0].merge = Merge::average; }},
        {"recurrent_clip",
         [](StackSpec& s) {
             s.recurrent_clip = {Clip::value, 0};
         }},
        {"recurrent_clip",
         [](StackSpec& s) {
             s.recurrent_clip = {Clip::norm, -1};
         }},
        {"recurrent_clip",
         [=](StackSpec& s) {
             s.recurrent_clip = {Clip::norm, kNan};
         }},
        {"recurrent_clip",
         [](StackSpec& s) {
             s.recurrent_clip = {Clip::none, 1};
         }},
    };
    EXPECT_NO_THROW(Rnn(kDevice, good_spec()));
    for (const Refusal& refusal : refusals) {
        StackSpec spec = good_spec();
        refusal.spoil(spec);
        expect_error(ErrorCode::invalid_argument, refusal.field, [&] { validate(spec); });
        expect_error(ErrorCode::invalid_argument, refusal.field, [&] { Rnn(kDevice, spec); });
    }
}

TEST(RnnErrorsTest, PrecisionsThatADeviceDoesNotHave) {
    for (const Precision precision : {Precision::f16(), Precision::bf16(), Precision::tf32()}) {
        StackSpec spec = good_spec();
        spec.precision = precision;
        try {
            Rnn rnn(kDevice, spec);
            ADD_FAILURE() << precision.name() << " was not refused";
        } catch (const Error& e) {
            EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(ErrorCode::unsupported));
            EXPECT_NE(std::string(e.what()).find(precision.name()), std::string::npos) << e.what();
        }
    }
}

TEST(RnnErrorsTest, ExtentsThatAreNotAllowed) {
    const Rnn rnn(kDevice, good_spec());
    expect_error(ErrorCode::invalid_argument, "steps", [&] { rnn.plan({0, 1}); });
    expect_error(ErrorCode::invalid_argument, "steps", [&] { rnn.plan({-1, 1}); });
    expect_error(ErrorCode::invalid_argument, "batch", [&] { rnn.plan({1, 0}); });
    expect_error(ErrorCode::invalid_argument, "batch", [&] { rnn.plan({1, -7}); });
}

TEST(RnnErrorsTest, SizesThatCannotBeAddressed) {
    constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
    const Rnn rnn(kDevice, good_spec());
    for (const Extent& extent : {Extent{kHuge, 1}, Extent{1, kHuge}, Extent{kHuge, kHuge}, Extent{1 << 30, 1 << 30}})
        expect_error(ErrorCode::invalid_argument, "steps and widths", [&] { rnn.plan(extent); });
    EXPECT_GT(rnn.plan({1 << 12, 1 << 16}).reserve_bytes, std::int64_t{1} << 32) << "large, and allowed";
    for (const std::int64_t width : {kHuge, std::int64_t{1} << 40}) {
        StackSpec spec = good_spec();
        spec.layers[1].hidden = width;
        expect_error(ErrorCode::invalid_argument, "steps and widths", [&] { Rnn(kDevice, spec); });
        spec = good_spec();
        spec.input = kHuge;
        expect_error(ErrorCode::invalid_argument, "steps and widths", [&] { Rnn(kDevice, spec); });
    }
}

TEST(RnnErrorsTest, NamesThatAPlanDoesNotHave) {
    const Plan plan = Rnn(kDevice, good_spec()).plan({2, 2});
    EXPECT_EQ(plan.parameter("weight_hr_l0").name, "weight_hr_l0");
    expect_error(ErrorCode::invalid_argument, "parameter = weight_hr_l1", [&] { plan.parameter("weight_hr_l1"); });
    expect_error(ErrorCode::invalid_argument, "buffer = nothing",
                 [&] { plan.buffer(BufferInfo::Kind::reserve, "nothing"); });
}

using Spoil = std::function<void(RnnHarness&)>;

TEST(RnnErrorsTest, ForwardArgumentsThatDoNotFit) {
    const std::pair<const char*, Spoil> refusals[] = {
        {"parameters", [](RnnHarness& h) { h.forward_args.parameters = nullptr; }},
        {"prepared", [](RnnHarness& h) { h.forward_args.prepared = nullptr; }},
        {"prepared", [](RnnHarness& h) { h.forward_args.prepared = static_cast<std::byte*>(h.prepared->data()) + 8; }},
        {"x", [](RnnHarness& h) { h.forward_args.x = {}; }},
        {"x", [](RnnHarness& h) { h.forward_args.x.dtype = DType::f32; }},
        {"x",
         [](RnnHarness& h) {
             h.forward_args.x.shape = {5, 3, 3};
         }},
        {"x",
         [](RnnHarness& h) {
             h.forward_args.x.shape = {3, 5, 2};
         }},
        {"x",
         [](RnnHarness& h) {
             h.forward_args.x.shape = {15, 2};
         }},
        {"y", [](RnnHarness& h) { h.forward_args.y = {}; }},
        {"y", [](RnnHarness& h) { h.forward_args.y.dtype = DType::i64; }},
        {"y",
         [](RnnHarness& h) {
             h.forward_args.y.shape = {5, 3, 3};
         }},
        {"y", [](RnnHarness& h) { h.forward_args.y.data = h.x->data(); }},
        {"lengths = null", [](RnnHarness& h) { h.forward_args.lengths = nullptr; }},
        {"lengths[0] = 6",
         [](RnnHarness& h) {
             h.lengths->put({6, 0, 3});
         }},
        {"lengths[1] = -1",
         [](RnnHarness& h) {
             h.lengths->put({5, -1, 3});
         }},
        {"states = 3", [](RnnHarness& h) { h.forward_args.states = h.forward_args.states.first(3); }},
        {"states[h_l0]",
         [](RnnHarness& h) {
             h.states[0].shape = {3, 4};
         }},
        {"states[c_l0]", [](RnnHarness& h) { h.states[1].dtype = DType::f32; }},
        {"final_states = 1", [](RnnHarness& h) { h.forward_args.final_states = h.forward_args.final_states.first(1); }},
        {"final_states[h_l1_reverse]",
         [](RnnHarness& h) {
             h.final_states[3].shape = {1, 3};
         }},
        {"state_steps = 2", [](RnnHarness& h) { h.forward_args.state_steps = h.forward_args.state_steps.last(2); }},
        {"state_steps[c_l0]",
         [](RnnHarness& h) {
             h.state_steps[1].shape = {3, 4};
         }},
        {"reserve", [](RnnHarness& h) { h.forward_args.reserve = nullptr; }},
        {"reserve", [](RnnHarness& h) { h.forward_args.reserve = static_cast<std::byte*>(h.reserve->data()) + 8; }},
        {"workspace", [](RnnHarness& h) { h.forward_args.workspace = nullptr; }},
        {"random", [](RnnHarness& h) { h.forward_args.random = nullptr; }},
    };
    RnnHarness good(kDevice, good_problem());
    EXPECT_NO_THROW(good.run());
    for (const auto& [field, spoil] : refusals) {
        RnnHarness h(kDevice, good_problem());
        h.rnn.prepare(h.parameters->data(), h.prepared->data(), {});
        const auto before = h.y->bytes();
        spoil(h);
        expect_error(ErrorCode::invalid_argument, field, [&] { h.rnn.forward(h.plan, h.forward_args, {}); });
        EXPECT_TRUE(h.y->bytes() == before) << field << ": refused, and yet it ran";
    }
}

TEST(RnnErrorsTest, BackwardArgumentsThatDoNotFit) {
    const std::pair<const char*, Spoil> refusals[] = {
        {"parameters", [](RnnHarness& h) { h.backward_args.parameters = nullptr; }},
        {"prepared", [](RnnHarness& h) { h.backward_args.prepared = nullptr; }},
        {"x", [](RnnHarness& h) { h.backward_args.x = {}; }},
        {"x",
         [](RnnHarness& h) {
             h.backward_args.x.shape = {5, 3, 1};
         }},
        {"lengths", [](RnnHarness& h) { h.backward_args.lengths = nullptr; }},
        {"lengths[2] = 7",
         [](RnnHarness& h) {
             h.lengths->put({5, 0, 7});
         }},
        {"random", [](RnnHarness& h) { h.backward_args.random = nullptr; }},
        {"dy",
         [](RnnHarness& h) {
             h.backward_args.dy.shape = {5, 3, 2};
         }},
        {"dy", [](RnnHarness& h) { h.backward_args.dy.dtype = DType::f32; }},
        {"states = 1", [](RnnHarness& h) { h.backward_args.states = h.backward_args.states.first(1); }},
        {"dfinal_states[h_l1]", [](RnnHarness& h) { h.dfinal_states[2].shape = {3}; }},
        {"dstate_steps[h_l0]",
         [](RnnHarness& h) {
             h.dstate_steps[0].shape = {5, 3, 4};
         }},
        {"dx",
         [](RnnHarness& h) {
             h.backward_args.dx.shape = {5, 2, 3};
         }},
        {"dx", [](RnnHarness& h) { h.backward_args.dx.dtype = DType::i32; }},
        {"dstates = 5",
         [](RnnHarness& h) {
             h.dstates.emplace_back();
             h.backward_args.dstates = h.dstates;
         }},
        {"dstates[c_l0]",
         [](RnnHarness& h) {
             h.dstates[1].shape = {3, 2};
         }},
        {"workspace", [](RnnHarness& h) { h.backward_args.workspace = nullptr; }},
    };
    for (const auto& [field, spoil] : refusals) {
        RnnHarness h(kDevice, good_problem());
        const ForwardToken token = h.run_forward();
        spoil(h);
        const auto before = h.dparameters->bytes();
        expect_error(ErrorCode::invalid_argument, field, [&] { h.rnn.backward(h.plan, token, h.backward_args, {}); });
        EXPECT_TRUE(h.dparameters->bytes() == before) << field << ": refused, and yet it ran";
    }
}

TEST(RnnErrorsTest, ArgumentsOfOtherPlans) {
    RnnHarness h(kDevice, good_problem());
    StackSpec other = good_spec();
    other.layers[0].cell_clip = 1;
    expect_error(ErrorCode::invalid_argument, "plan", [&] { Rnn(kDevice, other).forward(h.plan, h.forward_args, {}); });
    expect_error(ErrorCode::invalid_argument, "plan", [&] { h.rnn.forward(Plan{}, h.forward_args, {}); });
    h.plan = h.rnn.plan({5, 3, Mode::training, false});
    expect_error(ErrorCode::invalid_argument, "lengths", [&] { h.run_forward(); });

    RnnHarness no_dx(kDevice, good_problem());
    no_dx.plan = no_dx.rnn.plan({5, 3, Mode::training, true, false});
    const ForwardToken token = no_dx.run_forward();
    expect_error(ErrorCode::invalid_argument, "dx", [&] { no_dx.run_backward(token); });
}

TEST(RnnErrorsTest, BackwardNeedsATrainingForward) {
    RnnHarness h(kDevice, good_problem(), Mode::inference), training(kDevice, good_problem());
    const ForwardToken token = h.run_forward();
    expect_error(ErrorCode::state, "token", [&] { h.rnn.backward(h.plan, token, h.backward_args, {}); });
    expect_error(ErrorCode::state, "token",
                 [&] { training.rnn.backward(training.plan, {}, training.backward_args, {}); });
}

TEST(RnnErrorsTest, ATokenIsConsumedOnce) {
    RnnHarness h(kDevice, good_problem());
    const ForwardToken token = h.run_forward();
    h.run_backward(token);
    expect_error(ErrorCode::state, "token", [&] { h.run_backward(token); });
    EXPECT_NO_THROW(h.run_backward(h.run_forward()));
}

TEST(RnnErrorsTest, ARefusedBackwardDoesNotConsumeItsToken) {
    RnnHarness h(kDevice, good_problem());
    const ForwardToken token = h.run_forward();
    h.backward_args.dx.dtype = DType::f32;
    EXPECT_THROW(h.run_backward(token), Error);
    h.backward_args.dx.dtype = DType::f64;
    EXPECT_NO_THROW(h.run_backward(token));
}

TEST(RnnErrorsTest, ATokenGoesWithItsReserve) {
    RnnHarness h(kDevice, good_problem());
    const ForwardToken first = h.run_forward(), second = h.run_forward();
    expect_error(ErrorCode::state, "reserve", [&] { h.run_backward(first); });
    Guarded other(kDevice, DType::i64, (h.plan.reserve_bytes + 7) / 8, Alignment::cache_line);
    h.backward_args.reserve = other.data();
    expect_error(ErrorCode::state, "reserve", [&] { h.run_backward(second); });
    h.backward_args.reserve = h.reserve->data();
    EXPECT_NO_THROW(h.run_backward(second));
}

TEST(RnnErrorsTest, ATokenGoesWithItsPlan) {
    RnnHarness h(kDevice, good_problem());
    const ForwardToken token = h.run_forward();
    const Plan longer = h.rnn.plan({6, 3, Mode::training, true});
    expect_error(ErrorCode::state, "token", [&] { h.rnn.backward(longer, token, h.backward_args, {}); });
    const Plan same = h.rnn.plan({5, 3, Mode::training, true});
    EXPECT_NO_THROW(h.rnn.backward(same, token, h.backward_args, {})) << "equal plans are interchangeable";
}

TEST(RnnErrorsTest, AReserveThatAnotherStackWroteIsRefused) {
    RnnHarness a(kDevice, good_problem()), b(kDevice, good_problem());
    b.forward_args.reserve = b.backward_args.reserve = a.reserve->data();
    const ForwardToken of_a = a.run_forward(), of_b = b.run_forward();
    expect_error(ErrorCode::state, "reserve", [&] { a.run_backward(of_a); });
    EXPECT_NO_THROW(b.run_backward(of_b));
}

TEST(RnnErrorsTest, PrepareArguments) {
    RnnHarness h(kDevice, good_problem());
    expect_error(ErrorCode::invalid_argument, "parameters", [&] { h.rnn.prepare(nullptr, h.prepared->data(), {}); });
    expect_error(ErrorCode::invalid_argument, "prepared", [&] { h.rnn.prepare(h.parameters->data(), nullptr, {}); });
    auto* odd = static_cast<std::byte*>(h.prepared->data()) + 8;
    expect_error(ErrorCode::invalid_argument, "prepared", [&] { h.rnn.prepare(h.parameters->data(), odd, {}); });
}

TEST(RnnErrorsTest, StatesAfter) {
    RnnHarness h(kDevice, good_problem());
    const ForwardToken token = h.run_forward();
    auto ask = [&](std::int64_t step, std::span<const View> states) {
        h.rnn.states_after(h.plan, token, step, states, {});
    };
    expect_error(ErrorCode::invalid_argument, "step", [&] { ask(-1, h.dstates); });
    expect_error(ErrorCode::invalid_argument, "step", [&] { ask(6, h.dstates); });
    expect_error(ErrorCode::invalid_argument, "states", [&] { ask(1, std::span(h.dstates).first(1)); });
    expect_error(ErrorCode::invalid_argument, "states = h_l1_reverse", [&] { ask(1, h.dstates); });
    h.dstates[3].data = nullptr;
    EXPECT_NO_THROW(ask(5, h.dstates));
    h.run_forward();
    expect_error(ErrorCode::state, "reserve", [&] { ask(1, h.dstates); });
}

TEST(RnnErrorsTest, Devices) {
    expect_error(ErrorCode::invalid_argument, "threads", [] { Device::cpu(-1); });
    expect_error(ErrorCode::invalid_argument, "device = gpu", [] { Device::parse("gpu"); });
    expect_error(ErrorCode::invalid_argument, "backend", [] { Device(std::shared_ptr<Backend>()); });
    EXPECT_EQ(Device::parse("cpu").name(), "cpu");
}

}  // namespace
}  // namespace rondo::test
