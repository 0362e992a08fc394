/// The parts of the benchmarks that need no device: rows, grids, flags, statistics, files.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "rows/flags.hpp"
#include "rows/grid.hpp"
#include "rows/parity_rows.hpp"
#include "rows/parts.hpp"
#include "rows/result_file.hpp"
#include "support/temporary_folder.hpp"

namespace rondo::bench {
namespace {

TEST(BenchGrid, RowsAreValidAndThereOnce) {
    const std::vector<Row> rows = grid("full");
    std::set<std::string> names;
    for (const Row& row : rows) {
        EXPECT_NO_THROW(validate(row.stack())) << row.name();
        EXPECT_TRUE(names.insert(row.name()).second) << row.name();
    }
    EXPECT_GE(rows.size(), 130u);
    EXPECT_LE(rows.size(), 160u);
    EXPECT_NEAR(std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.dynamic; }), 10, 2);
}

TEST(BenchGrid, ShortIsTheBeginningOfFull) {
    const std::vector<Row> few = grid("short"), all = grid("full");
    ASSERT_EQ(few.size(), 40u);
    EXPECT_TRUE(std::equal(few.begin(), few.end(), all.begin()));
    EXPECT_THROW(grid("long"), Error);
}

TEST(BenchGrid, CoversWhatIsCompared) {
    std::set<std::int64_t> hidden, batch, steps;
    std::set<std::string> dtypes, cells;
    for (const Row& row : grid("full")) {
        hidden.insert(row.hidden);
        batch.insert(row.batch);
        steps.insert(row.steps);
        dtypes.insert(row.dtype);
        cells.insert(row.cell);
    }
    EXPECT_EQ(hidden, (std::set<std::int64_t>{64, 128, 192, 200, 256, 384, 512, 650, 768, 1024, 1500, 1536, 2048}));
    EXPECT_EQ(batch, (std::set<std::int64_t>{1, 8, 20, 32, 62, 64, 128, 256}));
    EXPECT_EQ(steps, (std::set<std::int64_t>{64, 256, 1024}));
    EXPECT_EQ(dtypes, (std::set<std::string>{"bf16", "f16", "f32", "tf32"}));
    EXPECT_EQ(cells, (std::set<std::string>{"gru", "lstm", "rnn_tanh"}));
}

TEST(BenchParity, EveryKindOfCaseAndTheSameOnesEveryTime) {
    const std::vector<Row> rows = parity_rows(2000);
    EXPECT_EQ(rows, parity_rows(2000));
    std::set<std::string> kinds;
    for (const Row& row : rows) {
        EXPECT_NO_THROW(validate(row.stack())) << row.name();
        kinds.insert(detail::concat(row.cell, row.dtype, row.layers, row.directions, row.ragged, row.training));
    }
    const auto count = [&](auto is) { return std::count_if(rows.begin(), rows.end(), is); };
    EXPECT_EQ(count(is_large), 16);
    EXPECT_GT(count([](const Row& row) { return row.projection > 0 && row.carried && row.training; }), 10);
    EXPECT_GT(count([](const Row& row) { return row.cell_clip > 0 && row.training; }), 10);
    EXPECT_GT(count([](const Row& row) { return row.biases == Biases::one; }), 50);
    EXPECT_GT(count([](const Row& row) { return row.biases == Biases::none; }), 50);
    EXPECT_EQ(Row({.projection = 3, .cell_clip = 0.5, .carried = true}).name(),
              "lstm/bf16/H256/I256/B32/T256/L1/D1/training/P3/clip0.5/carried");
    EXPECT_EQ(kinds.size(), (4u * 2 + 3u * 3) * 3 * 2 * 2 * 2);  // rnn_relu in f64 and f32 alone
}

TEST(BenchFlags, ASingleRow) {
    const Flags flags = parse_flags({"--cell", "gru", "--dtype", "tf32", "--hidden", "96", "--directions", "2",
                                     "--ragged", "--pass", "inference", "--seconds", "7.5"});
    ASSERT_EQ(flags.rows.size(), 1u);
    EXPECT_EQ(flags.rows[0].name(), "gru/tf32/H96/I96/B32/T256/L1/D2/inference/ragged");
    EXPECT_EQ(flags.seconds, 7.5);
    const Row batched = parse_flags({"--directions", "2", "--direction-order", "batched"}).rows[0];
    const Row wave = parse_flags({"--layers", "3", "--layer-order", "wavefront"}).rows[0];
    EXPECT_EQ(wave.extent().layers, LayerOrder::wavefront);
    EXPECT_EQ(wave.name(), "lstm/bf16/H256/I256/B32/T256/L3/D1/training/layers=wavefront");
    const Row cluster = parse_flags({"--loop", "cluster"}).rows[0];
    EXPECT_EQ(cluster.extent().loop, TimeLoop::cluster);
    EXPECT_EQ(cluster.name(), "lstm/bf16/H256/I256/B32/T256/L1/D1/training/loop=cluster");
    EXPECT_EQ(batched.extent().directions, DirectionOrder::batched);
    EXPECT_EQ(batched.name(), "lstm/bf16/H256/I256/B32/T256/L1/D2/training/directions=batched");
    EXPECT_EQ(parse_flags({"--grid", "short", "--list"}).rows.size(), 40u);
    EXPECT_EQ(parse_flags({"--grid", "loops"}).rows.size() % 4, 0u);
    EXPECT_TRUE(parse_flags({"--alone", "--hidden", "64"}).alone);
    EXPECT_EQ(parse_flags({"--parity", "7"}).rows.size(), 7u);
}

TEST(BenchFlags, RefusesWhatItDoesNotKnow) {
    EXPECT_THROW(parse_flags({"--widht", "3"}), Error);
    EXPECT_THROW(parse_flags({"--hidden"}), Error);
    EXPECT_THROW(parse_flags({"--direction-order", "sideways"}), Error);
    EXPECT_THROW(parse_flags({"--layer-order", "sideways"}), Error);
    EXPECT_THROW(parse_flags({"--loop", "round"}), Error);
    EXPECT_THROW(parse_flags({"--hidden", "3x"}), Error);
    EXPECT_THROW(parse_flags({"--hidden", "0"}), Error);
    EXPECT_THROW(parse_flags({"--cell", "perceptron"}), Error);
    EXPECT_THROW(parse_flags({"--grid", "short", "--hidden", "3"}), Error);
    EXPECT_THROW(parse_flags({"--parity", "5", "--hidden", "3"}), Error);
}

TEST(BenchStatistics, MediansAndSpread) {
    EXPECT_EQ(quantile({3, 1, 2}, 0.5), 2);
    EXPECT_EQ(quantile({4, 1, 2, 3}, 0.5), 2.5);
    EXPECT_THROW(quantile({}, 0.5), Error);
    const Timing timing = timing_of({90, 100, 110, 100, 100, 100, 100, 100, 100, 100, 100});
    EXPECT_EQ(timing.median, 100);
    EXPECT_EQ(timing.spread, 0);  // one in ten to either side does not count
    EXPECT_DOUBLE_EQ(timing_of({90, 110}).spread, 0.08);
    EXPECT_DOUBLE_EQ(geometric_mean({0.5, 2, 8}), 2);
}

Plan plan_of(const Row& row) { return Rnn(Device::cpu(1), row.stack()).plan(row.extent()); }

TEST(BenchParts, EveryOperationIsInOnePart) {
    const Row row{.dtype = "f32", .hidden = 5, .input = 3, .batch = 4, .steps = 7, .layers = 2};
    const Plan plan = plan_of(row);
    std::size_t operations = 0;
    for (const Part& part : parts_of(plan)) {
        const Plan alone = only(plan, part);
        operations += alone.forward.size() + alone.backward.size();
        EXPECT_TRUE(part.backward ? alone.forward.empty() : alone.backward.empty());
        EXPECT_EQ(alone.id, plan.id);
    }
    EXPECT_EQ(operations, plan.forward.size() + plan.backward.size());
    Row inference = row;
    inference.training = false;
    EXPECT_EQ(parts_of(plan_of(inference)).size(), 2u);
}

TEST(BenchParts, WorkIsWhatThePaperSays) {
    // An LSTM of H = 5 over I = 3, B = 4, T = 7 in f32: 20 gates, 28 rows.
    const Plan plan = plan_of({.dtype = "f32", .hidden = 5, .input = 3, .batch = 4, .steps = 7});
    std::map<std::string_view, Work> work;
    for (const Part& part : parts_of(plan)) work[part.name] = work_of(plan, part);
    EXPECT_EQ(work["input product"].flops, 2 * 28 * 20 * 3);
    EXPECT_EQ(work["input product"].bytes, 4 * (28 * 3 + 28 * 20 + 20 * 3));
    EXPECT_EQ(work["forward steps"].flops, 2 * 28 * 20 * 5);
    EXPECT_EQ(work["backward steps"].flops, 2 * 28 * 20 * 5);
    EXPECT_EQ(work["backward steps"].bytes, work["forward steps"].bytes);  // f32: gates are read or written
    EXPECT_EQ(work["weight products"].flops, 2 * 28 * 20 * (3 + 5));
    EXPECT_EQ(work["weight products"].bytes, 4 * (28 * (20 + 3 + 5) + 20 * (3 + 5)));
    EXPECT_EQ(work["input gradient"].bytes, 4 * (28 * (20 + 3) + 20 * 3));
    // Forward in training moves gates_x, y, h, c and what is saved.
    const double saved = plan.program->layers[0].cell.saved;
    EXPECT_EQ(work["forward steps"].bytes, 4 * (20 * 5 + 28 * (20 + 5 + 5 + 5 + saved * 5)));
}

TEST(BenchParts, TheBoundIsTheLargerOfTwoTimes) {
    const Peaks h100 = peaks_of("9.0", 132, 1.98e9, 3.35e12, "bf16");
    EXPECT_NEAR(*h100.flops, 1070e12, 1e12);
    EXPECT_NEAR(*peaks_of("9.0", 132, 1.98e9, 3.35e12, "f32").flops, 66.9e12, 1e11);
    EXPECT_NEAR(*bound_us({1070e6, 0}, h100), 1, 1e-3);
    EXPECT_NEAR(*bound_us({1070e6, 3.35e7}, h100), 10, 1e-3);
    EXPECT_FALSE(bound_us({1, 1}, peaks_of("7.5", 40, 1e9, 3e11, "f16")));
    EXPECT_FALSE(bound_us({1, 1}, peaks_of("9.0", 132, 1e9, 0, "f16")));
}

RowResult example() {
    RowResult result;
    result.rondo = {{"steps, eager", {200, 0.01, 9}, ""}, {"steps, graph", {100, 0.02, 9}, ""}};
    result.cudnn = {{"STANDARD, eager", {150, 0.03, 9}, ""}, {"PERSIST_STATIC, eager", {}, "not supported"}};
    result.parts = {{"forward steps", {50, 0.01, 9}, "steps, graph", {1e9, 1e6}, 20.0, ""},
                    {"input product", {50, 0.01, 9}, "steps, graph", {1e9, 1e6}, {}, ""}};
    result.rondo_memory.peak = 5;
    return result;
}

TEST(BenchResults, ARowIsTheFastestOfEachSide) {
    const nlohmann::ordered_json json = row_json(example());
    std::vector<std::string> keys;
    for (const auto& item : json.items()) keys.push_back(item.key());
    EXPECT_EQ(keys, (std::vector<std::string>{"cell", "dtype", "hidden", "input", "batch", "steps", "layers",
                                              "directions", "ragged", "pass", "rondo_us", "rondo_algorithm", "cudnn_us",
                                              "cudnn_algorithm", "ratio", "spread"}));
    EXPECT_EQ(json["rondo_algorithm"], "steps, graph");
    EXPECT_EQ(json["cudnn_algorithm"], "STANDARD, eager");
    EXPECT_DOUBLE_EQ(json["ratio"], 1.5);
    EXPECT_DOUBLE_EQ(json["spread"], 0.03);
}

TEST(BenchResults, AFileNamesWhatIsIncomplete) {
    RowResult none = example(), failed = example();
    none.cudnn.erase(none.cudnn.begin());
    failed.error = "out of memory";
    const auto json = result_file({{"gpu", "none"}}, 5, {example(), none, failed});
    EXPECT_EQ(json["rows"].size(), 1u);
    EXPECT_EQ(json["incomplete"].size(), 2u);
    EXPECT_EQ(json["details"].size(), 3u);
    EXPECT_EQ(json["details"][0]["parts"][0]["ratio"], 0.4);
    EXPECT_TRUE(json["details"][0]["parts"][1]["bound_us"].is_null());
    EXPECT_EQ(json["details"][0]["rondo_bytes"]["peak"], 5);
    EXPECT_EQ(json["details"][1]["cudnn"][0]["error"], "not supported");
    EXPECT_EQ(json["details"][2]["error"], "out of memory");
    EXPECT_EQ(json["summary"]["planned"], 5);
    EXPECT_DOUBLE_EQ(json["summary"]["minimum"], 1.5);

    const test::TemporaryFolder folder;
    const std::string path = folder.file("results.json");
    write_json(path, json);
    std::ifstream in(path);
    EXPECT_EQ(nlohmann::ordered_json::parse(in), json);
    EXPECT_THROW(write_json(folder.file("none/x.json"), json), Error);
}

}  // namespace
}  // namespace rondo::bench
