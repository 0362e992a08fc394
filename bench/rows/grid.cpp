#include "rows/grid.hpp"

#include <algorithm>

namespace rondo::bench {
namespace {

using Sizes = std::vector<std::int64_t>;

class Grid {
public:
    std::vector<Row> rows;

    /// A row that is there already keeps its place.
    void add(Row row) {
        row.input = row.hidden;
        row.dynamic = compiled_at_run_time(row);
        if (std::find(rows.begin(), rows.end(), row) == rows.end()) rows.push_back(row);
    }

    void add_both(Row row) {
        for (bool training : {true, false}) {
            row.training = training;
            add(row);
        }
    }

    void cross(Row row, const Sizes& hidden, const Sizes& batch, bool both = true) {
        for (std::int64_t h : hidden)
            for (std::int64_t b : batch) {
                row.hidden = h;
                row.batch = b;
                if (both)
                    add_both(row);
                else
                    add(row);
            }
    }

private:
    /// About ten rows: each costs seconds of compilation.
    static bool compiled_at_run_time(const Row& row) {
        if (row.batch != 32 || row.steps != 256 || row.layers * row.directions != 1 || row.ragged) return false;
        if (row.cell == "lstm" && row.dtype == "bf16") return row.hidden == 256 || row.hidden == 512;
        if (row.cell == "lstm" && row.dtype == "f16") return row.hidden == 256 || row.hidden == 1024;
        return row.cell == "gru" && row.dtype == "bf16" && row.hidden == 512;
    }
};

void add_short(Grid& grid) {
    const Row lstm{.cell = "lstm"}, gru{.cell = "gru"}, f16{.dtype = "f16"};
    grid.cross(lstm, {256, 512, 1024}, {32});
    grid.cross(lstm, {1024}, {8, 128});
    grid.cross(lstm, {128, 2048}, {32});
    grid.cross(lstm, {256}, {1});
    grid.cross(lstm, {512}, {64});
    grid.cross(lstm, {650}, {20});
    grid.cross(gru, {128, 512, 1024}, {32});
    grid.cross(gru, {256}, {64});
    grid.cross(gru, {1024}, {8});
    grid.cross(f16, {256, 1024}, {32});
    grid.add({.hidden = 512, .batch = 64, .layers = 4});
    grid.add({.hidden = 256, .batch = 32, .directions = 2});
    grid.add({.hidden = 512, .batch = 32, .ragged = true});
    grid.add({.dtype = "tf32", .hidden = 512, .batch = 64});
    grid.add({.dtype = "f32", .hidden = 200, .batch = 20});
    grid.add({.dtype = "f32", .hidden = 256, .batch = 32, .training = false});
}

void add_rest(Grid& grid) {
    const Row lstm{.cell = "lstm"}, gru{.cell = "gru"}, f16{.dtype = "f16"}, tf32{.dtype = "tf32"}, f32{.dtype = "f32"};
    grid.cross(lstm, {64, 128, 192, 200, 384, 768, 1500, 1536}, {64});
    grid.cross(lstm, {1024}, {1, 20, 62, 64, 256});
    grid.cross(lstm, {512}, {1, 8, 128, 256});
    grid.cross(lstm, {128, 256}, {128, 256}, false);
    grid.cross(lstm, {2048}, {1, 128}, false);
    grid.cross(gru, {64, 192, 384, 650, 768, 1500, 2048}, {64}, false);
    grid.cross(gru, {512}, {1, 8, 128, 256}, false);
    grid.cross(gru, {1024}, {128});
    grid.cross(f16, {128, 512}, {8, 64}, false);
    grid.cross(f16, {650, 2048}, {64}, false);
    grid.cross({.cell = "gru", .dtype = "f16"}, {256, 1024}, {32}, false);
    grid.cross({.cell = "rnn_tanh"}, {256, 1024}, {32}, false);
    for (std::int64_t layers : {4}) {
        grid.cross({.layers = layers}, {256, 1024}, {32, 128}, false);
        grid.cross({.layers = layers, .training = false}, {512, 1024}, {64}, false);
        grid.cross({.cell = "gru", .layers = layers}, {512}, {64}, false);
    }
    grid.cross({.directions = 2}, {128, 512, 1024}, {8, 64}, false);
    grid.cross({.cell = "gru", .directions = 2}, {512}, {64}, false);
    grid.cross({.ragged = true}, {256, 1024}, {64}, false);
    grid.cross({.cell = "gru", .ragged = true}, {512}, {64}, false);
    for (std::int64_t steps : {64, 1024}) grid.cross({.steps = steps}, {256, 1024}, {8, 64}, false);
    grid.cross(tf32, {128, 256, 1024, 1500}, {64}, false);
    grid.cross(tf32, {650}, {20});
    grid.cross({.cell = "gru", .dtype = "tf32"}, {512}, {32});
    grid.cross(f32, {128, 512, 1024}, {32}, false);
    grid.cross(f32, {650}, {20});
    grid.cross({.cell = "gru", .dtype = "f32"}, {256}, {32}, false);
}

/// Every way to take a loop's steps, where each might be the fastest: what host/cuda/loop_choice.cpp has to foretell.
void add_loops(Grid& grid) {
    for (const TimeLoop loop : {TimeLoop::steps, TimeLoop::solo, TimeLoop::cluster, TimeLoop::grid}) {
        grid.cross({.cell = "lstm", .loop = loop}, {64, 128, 200, 256, 512, 650, 1024, 2048}, {8, 64}, false);
        grid.cross({.cell = "gru", .loop = loop}, {128, 512, 1024}, {8, 64}, false);
        grid.cross({.cell = "rnn_tanh", .loop = loop}, {256, 1024}, {8, 64}, false);
        grid.cross({.cell = "lstm", .dtype = "f32", .loop = loop}, {128, 512}, {32}, false);
    }
}

}  // namespace

std::vector<Row> grid(std::string_view name) {
    require(name == "short" || name == "full" || name == "loops", "grid", name, "must be short, full or loops");
    Grid made;
    if (name == "loops") {
        add_loops(made);
        return made.rows;
    }
    add_short(made);
    if (name == "full") add_rest(made);
    return made.rows;
}

}  // namespace rondo::bench
