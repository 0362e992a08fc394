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
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        Row row = of[i % of.size()];
        row.hidden = pick(kHidden);
        row.input = pick(kInput);
        row.batch = pick(kBatch);
        row.steps = pick(kSteps);
        made.push_back(row);
    }
    return made;
}

}  // namespace rondo::bench
