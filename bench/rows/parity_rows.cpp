#include "rows/parity_rows.hpp"

#include <array>
#include <random>

namespace rondo::bench {
namespace {

/// Every combination, the quickest to change first.
std::vector<Row> kinds() {
    std::vector<Row> made;
    for (bool training : {true, false})
        for (std::int64_t layers : {1, 2, 3})
            for (int directions : {1, 2})
                for (bool ragged : {false, true})
                    for (const char* dtype : {"f64", "f32", "tf32", "f16", "bf16"})
                        for (const char* cell : {"lstm", "gru", "rnn_tanh", "rnn_relu"}) {
                            Row row{.cell = cell, .dtype = dtype};
                            row.layers = layers;
                            row.directions = directions;
                            row.ragged = ragged;
                            row.training = training;
                            const bool kink = row.cell == "rnn_relu" && row.dtype != "f64" && row.dtype != "f32";
                            if (!kink) made.push_back(row);
                        }
    return made;
}

/// What else both sides have, by chance. A clipped cell has a kink, as rnn_relu has.
void add_options(Row& row, std::mt19937& engine) {
    const auto one_in = [&](unsigned n) { return engine() % n == 0; };
    row.carried = one_in(2);
    if (one_in(4)) row.biases = one_in(2) ? Biases::one : Biases::none;
    if (row.cell != "lstm") return;
    if (one_in(4) && row.hidden > 2) row.projection = 1 + static_cast<std::int64_t>(engine()) % (row.hidden - 1);
    if (one_in(4) && (row.dtype == "f64" || row.dtype == "f32")) row.cell_clip = 0.25;
}

/// Shapes of real models, more than one a kind of their policies.
std::vector<Row> large_rows() {
    std::vector<Row> made;
    for (const char* dtype : {"bf16", "f16", "tf32", "f32"}) {
        made.push_back({.dtype = dtype, .hidden = 1024, .input = 1024, .batch = 64, .steps = 100});
        made.push_back({.cell = "gru", .dtype = dtype, .hidden = 512, .input = 512, .batch = 128, .steps = 200});
        made.push_back({.dtype = dtype, .hidden = 650, .input = 650, .batch = 20, .steps = 35, .layers = 2});
        Row both{.dtype = dtype, .hidden = 256, .input = 300, .batch = 62, .steps = 120};
        both.directions = 2;
        both.ragged = true;
        made.push_back(both);
    }
    return made;
}

}  // namespace

std::vector<Row> parity_rows(int count) {
    constexpr std::array<std::int64_t, 12> kHidden{1, 3, 8, 16, 31, 32, 33, 64, 96, 127, 128, 200};
    constexpr std::array<std::int64_t, 7> kInput{1, 2, 7, 16, 40, 64, 130};
    constexpr std::array<std::int64_t, 7> kBatch{1, 2, 3, 5, 8, 17, 33};
    constexpr std::array<std::int64_t, 6> kSteps{1, 2, 3, 5, 9, 20};
    std::mt19937 engine(5);
    const auto pick = [&](const auto& list) { return list[engine() % list.size()]; };
    const std::vector<Row> of = kinds();
    std::vector<Row> made;
    std::vector<Row> large = large_rows();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        if (i % 100 == 99 && !large.empty()) {  // early, so that a run that is cut off has seen them
            made.push_back(large.front());
            large.erase(large.begin());
            continue;
        }
        Row row = of[i % of.size()];
        row.hidden = pick(kHidden);
        row.input = pick(kInput);
        row.batch = pick(kBatch);
        row.steps = pick(kSteps);
        add_options(row, engine);
        made.push_back(row);
    }
    return made;
}

bool is_large(const Row& row) { return row.steps * row.batch * row.hidden > 300'000; }

}  // namespace rondo::bench
