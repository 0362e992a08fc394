/// What a caller may leave out, share or add to, and that what is left comes out the same.
#include <gtest/gtest.h>

#include "rnn/variations.hpp"
#include "support/cases.hpp"
#include "support/compare.hpp"
#include "support/harness.hpp"

namespace rondo::test {
namespace {

const Device kDevice = Device::cpu(1);

std::vector<Problem> problems(int count = 40) {
    std::vector<Problem> list;
    for (const Case& c : stack_cases(count)) {
        list.push_back(make_problem(c));
        take_masks(kDevice, list.back());
    }
    return list;
}

/// Initial states aligned as slots are, so that inference reads them where they lie.
std::vector<Guarded> align_states(RnnHarness& harness) {
    std::vector<Guarded> aligned;
    for (std::size_t s = 0; s < harness.states.size(); ++s) {
        ConstView& view = harness.states[s];
        aligned.emplace_back(kDevice, view.dtype, view.shape.size(), Alignment::cache_line);
        aligned.back().put(harness.state_memory[s]->get());
        view.data = aligned.back().data();
    }
    return aligned;
}

TEST(RnnPartsTest, InferenceGivesTheOutputsOfTraining) {
    for (Problem& p : problems()) {
        draw_nothing(p.spec);
        RnnHarness training(kDevice, p), inference(kDevice, p, Mode::inference), bare(kDevice, p, Mode::inference);
        training.run();
        inference.run();
        EXPECT_EQ(inference.y->bytes(), training.y->bytes()) << p.name;
        for (std::size_t s = 0; s < p.inputs.states.size(); ++s) {
            EXPECT_EQ(inference.final_memory[s]->bytes(), training.final_memory[s]->bytes()) << p.name;
            EXPECT_EQ(inference.step_memory[s]->bytes(), training.step_memory[s]->bytes()) << p.name;
        }
        bare.forward_args.final_states = {};
        bare.forward_args.state_steps = {};
        bare.run();
        EXPECT_EQ(bare.y->bytes(), training.y->bytes()) << p.name;
        RnnHarness finals(kDevice, p, Mode::inference);  // which are then written where they are wanted at once
        finals.forward_args.state_steps = {};
        const std::vector<Guarded> aligned = align_states(finals);
        finals.run();
        for (std::size_t s = 0; s < p.inputs.states.size(); ++s)
            EXPECT_EQ(finals.final_memory[s]->bytes(), training.final_memory[s]->bytes()) << p.name;
    }
}

TEST(RnnPartsTest, InferenceDropsNothing) {
    for (Problem& p : problems()) {
        Problem plain = p;
        for (LayerSpec& layer : plain.spec.layers) {
            layer.dropout = layer.recurrent_dropout = layer.weight_dropout = 0;  // of zoneout there is the expectation
            layer.dropout_per_sequence = false;
        }
        RnnHarness with(kDevice, p, Mode::inference), without(kDevice, plain, Mode::inference);
        with.forward_args.random = nullptr;  // not needed
        with.run();
        without.run();
        EXPECT_EQ(with.bits(), without.bits()) << p.name;
    }
}

TEST(RnnPartsTest, InferenceTakesZoneoutsExpectation) {
    int checked = 0;
    for (Problem& p : problems(80)) {
        const auto& layers = p.spec.layers;
        if (std::none_of(layers.begin(), layers.end(), [](const LayerSpec& l) { return l.zoneout > 0; })) continue;
        p.inputs.masks.clear();
        p.inputs.noise.clear();
        const Result out = RnnHarness(kDevice, p, Mode::inference).run();
        const Outputs ref = reference::forward<double>(p.spec, p.steps, p.batch, p.inputs);
        EXPECT_LE(error_ratio(out.outputs.y, ref.y, kDouble), 1) << p.name;
        for (std::size_t s = 0; s < ref.final_states.size(); ++s)
            EXPECT_LE(error_ratio(out.outputs.final_states[s], ref.final_states[s], kDouble), 1) << p.name;
        ++checked;
    }
    EXPECT_GE(checked, 10);
}

TEST(RnnPartsTest, AbsentInitialStatesAreZero) {
    for (Problem& p : problems()) {
        Problem zero = p;
        for (Tensor& t : zero.inputs.states) std::fill(t.begin(), t.end(), 0.0);
        RnnHarness given(kDevice, zero), no_list(kDevice, p), no_views(kDevice, p);
        no_list.forward_args.states = no_list.backward_args.states = {};
        for (ConstView& view : no_views.states) view.data = nullptr;
        given.run();
        no_list.run();
        no_views.run();
        EXPECT_EQ(no_list.bits(), given.bits()) << p.name;
        EXPECT_EQ(no_views.bits(), given.bits()) << p.name;
    }
}

/// Gradients that are not given are zero: each kind alone, against the oracle.
TEST(RnnPartsTest, EachUpstreamGradientAlone) {
    for (const Problem& p : problems()) {
        for (const char* kind : {"y", "final", "steps", "none"}) {
            Problem some = p;
            some.name += std::string(" only ") + kind;
            if (kind != std::string("y")) some.upstream.y.clear();
            if (kind != std::string("final")) some.upstream.final_states.clear();
            if (kind != std::string("steps")) some.upstream.state_steps.clear();
            EXPECT_TRUE(agree(some, run_on(kDevice, some), expected(some), kDouble));
        }
    }
}

TEST(RnnPartsTest, OneStatesGradientAlone) {
    for (const Problem& p : problems())
        for (std::size_t s = 0; s < p.inputs.states.size(); ++s) {
            Problem some = p;
            some.name += detail::concat(" only state ", s);
            some.upstream.y.clear();
            for (std::size_t i = 0; i < p.inputs.states.size(); ++i)
                if (i != s) {
                    some.upstream.final_states[i].clear();
                    some.upstream.state_steps[i].clear();
                }
            EXPECT_TRUE(agree(some, run_on(kDevice, some), expected(some), kDouble));
        }
}

TEST(RnnPartsTest, GradientsThatAreNotWantedChangeNothing) {
    for (const Problem& p : problems()) {
        RnnHarness all(kDevice, p);
        all.run();

        RnnHarness no_dx(kDevice, p), no_dparameters(kDevice, p), no_dstates(kDevice, p);
        no_dx.backward_args.dx = {};
        no_dparameters.backward_args.dparameters = nullptr;
        no_dstates.backward_args.dstates = {};
        for (RnnHarness* h : {&no_dx, &no_dparameters, &no_dstates}) h->run();
        EXPECT_EQ(no_dx.dparameters->bytes(), all.dparameters->bytes()) << p.name;
        EXPECT_EQ(no_dparameters.dx->bytes(), all.dx->bytes()) << p.name;
        EXPECT_EQ(no_dstates.dparameters->bytes(), all.dparameters->bytes()) << p.name;
        EXPECT_EQ(no_dstates.dx->bytes(), all.dx->bytes()) << p.name;
        for (std::size_t s = 0; s < p.inputs.states.size(); ++s) {
            EXPECT_EQ(no_dx.dstate_memory[s]->bytes(), all.dstate_memory[s]->bytes()) << p.name;
            EXPECT_EQ(no_dparameters.dstate_memory[s]->bytes(), all.dstate_memory[s]->bytes()) << p.name;
        }
    }
}

TEST(RnnPartsTest, PlanWithoutInputGradientGivesTheOtherGradients) {
    for (const Problem& p : problems()) {
        RnnHarness all(kDevice, p), without(kDevice, p);
        all.run();
        without.plan = without.rnn.plan({p.steps, p.batch, Mode::training, p.ragged(), false});
        EXPECT_LE(without.plan.workspace_bytes, all.plan.workspace_bytes);
        EXPECT_LE(without.plan.reserve_bytes, all.plan.reserve_bytes);
        without.backward_args.dx = {};
        without.run();
        EXPECT_EQ(without.dparameters->bytes(), all.dparameters->bytes()) << p.name;
        for (std::size_t s = 0; s < p.inputs.states.size(); ++s)
            EXPECT_EQ(without.dstate_memory[s]->bytes(), all.dstate_memory[s]->bytes()) << p.name;
    }
}

TEST(RnnPartsTest, AccumulateAddsToWhatIsThere) {
    Random random(12);
    for (const Problem& p : problems()) {
        RnnHarness h(kDevice, p);
        const Result alone = h.run();
        const Tensor before = random.uniforms(h.plan.parameter_count);
        h.dparameters->put(before);
        h.backward_args.accumulate = true;
        const Result sum = h.run();
        Result wanted = alone;
        for (const ParameterInfo& parameter : h.plan.parameters)
            for (std::int64_t i = 0; i < parameter.shape.size(); ++i)
                wanted.dparameters[parameter.name][static_cast<std::size_t>(i)] +=
                    before[static_cast<std::size_t>(parameter.offset + i)];
        EXPECT_TRUE(agree(p, sum, wanted, kDouble));
    }
}

TEST(RnnPartsTest, GapsBetweenGradientsAreZero) {
    for (const Problem& p : problems()) {
        RnnHarness h(kDevice, p);
        h.run();
        Tensor array = h.dparameters->get();
        for (const ParameterInfo& parameter : h.plan.parameters)
            std::fill_n(array.begin() + parameter.offset, parameter.shape.size(), 0.0);
        EXPECT_EQ(array, Tensor(array.size(), 0.0)) << p.name;
    }
}

TEST(RnnPartsTest, StatesMayBeWrittenOverTheirInitialValues) {
    std::vector<Problem> list = problems();
    const LayerSpec wide{.hidden = 70}, narrow{.cell = "gru", .hidden = 33, .direction = Direction::reverse};
    list.push_back(random_problem("one step", {3, {wide, narrow}}, 1, 5, {}, 17));  // reads and writes them
    for (const Problem& p : list) {
        for (const int way : {0, 1, 2}) {
            const Mode mode = way == 0 ? Mode::training : Mode::inference;
            RnnHarness apart(kDevice, p, mode), over(kDevice, p, mode);
            if (way == 2) over.forward_args.state_steps = {};
            apart.run_forward();
            const std::vector<Guarded> memory = align_states(over);
            for (std::size_t s = 0; s < over.final_states.size(); ++s) over.final_states[s].data = memory[s].data();
            over.run_forward();
            EXPECT_EQ(over.y->bytes(), apart.y->bytes()) << p.name;
            for (std::size_t s = 0; s < over.final_states.size(); ++s)
                EXPECT_EQ(memory[s].bytes(), apart.final_memory[s]->bytes()) << p.name;
        }
        RnnHarness apart(kDevice, p), over(kDevice, p);
        apart.run();
        for (std::size_t s = 0; s < over.dstates.size(); ++s) over.dstates[s].data = over.dfinal_memory[s]->data();
        over.run();
        EXPECT_EQ(over.dparameters->bytes(), apart.dparameters->bytes()) << p.name;
        EXPECT_EQ(over.dx->bytes(), apart.dx->bytes()) << p.name;
        for (std::size_t s = 0; s < over.dstates.size(); ++s)
            EXPECT_EQ(over.dfinal_memory[s]->bytes(), apart.dstate_memory[s]->bytes()) << p.name;
    }
}

/// So is a sequence of states, or y, of the step before: what a caller has who goes on step by step in the same memory.
TEST(RnnPartsTest, StatesMayLieWhereAStepIsWrittenTo) {
    for (const char* cell : {"lstm", "gru", "rnn_tanh"}) {
        LayerSpec layer;
        layer.cell = cell;
        layer.hidden = 70;
        const Problem p = random_problem(cell, {3, {layer}}, 1, 5, {}, 17);
        RnnHarness apart(kDevice, p, Mode::inference);
        apart.run_forward();
        for (const bool in_y : {false, true}) {
            RnnHarness over(kDevice, p, Mode::inference);
            const std::vector<Guarded> memory = align_states(over);
            if (in_y) {
                over.forward_args.y.data = memory[0].data();
                over.forward_args.state_steps = {};
            } else {
                over.state_steps[0].data = memory[0].data();
            }
            over.run_forward();
            EXPECT_EQ(memory[0].bytes(), apart.y->bytes()) << p.name << in_y;
            EXPECT_EQ(over.final_memory[0]->bytes(), apart.final_memory[0]->bytes()) << p.name << in_y;
        }
    }
}

TEST(RnnPartsTest, StatesAfterAStepAreThoseOfTheForwardPass) {
    int checked = 0;
    for (const Problem& p : problems(120)) {
        const auto& layers = p.spec.layers;
        if (std::any_of(layers.begin(), layers.end(),
                        [](const LayerSpec& l) { return l.direction != Direction::forward; }))
            continue;
        RnnHarness h(kDevice, p);
        const ForwardToken token = h.run_forward();
        std::vector<std::vector<double>> sequences;
        for (const Guarded* memory : h.step_memory) sequences.push_back(memory->get());
        for (std::int64_t step = 0; step <= p.steps; ++step) {
            for (Guarded* memory : h.dstate_memory) memory->poison();
            h.rnn.states_after(h.plan, token, step, h.dstates, {});
            for (std::size_t s = 0; s < sequences.size(); ++s) {
                const Tensor wanted = step == 0 ? p.inputs.states[s] : steps_of(sequences[s], p.steps, step - 1, step);
                EXPECT_EQ(h.dstate_memory[s]->get(), wanted) << p.name << " after " << step;
            }
        }
        ++checked;
    }
    EXPECT_GE(checked, 5);
}

TEST(RnnPartsTest, SeveralForwardsMayBeInFlight) {
    const std::vector<Problem> list = problems(4);
    for (const Problem& p : list) {
        RnnHarness h(kDevice, p), alone(kDevice, p);
        alone.run();
        const ForwardToken first = h.run_forward();
        Guarded other(kDevice, DType::i64, (h.plan.reserve_bytes + 7) / 8, Alignment::cache_line);
        ForwardArgs again = h.forward_args;
        again.reserve = other.data();
        const ForwardToken second = h.rnn.forward(h.plan, again, {});
        h.run_backward(first);
        EXPECT_EQ(h.bits(), alone.bits()) << p.name;
        h.dparameters->poison();
        h.backward_args.reserve = other.data();
        h.run_backward(second);
        EXPECT_EQ(h.bits(), alone.bits()) << p.name;
    }
}

}  // namespace
}  // namespace rondo::test
