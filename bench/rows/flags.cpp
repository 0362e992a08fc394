#include "rows/flags.hpp"

#include <functional>
#include <map>

#include "rows/grid.hpp"
#include "rows/numbers.hpp"
#include "rows/parity_rows.hpp"

namespace rondo::bench {

const char* const kFlagsHelp =
    "  --grid short|full|loops  40 rows, about 150, or every way to take a time loop's steps (with --alone); without "
    "it,\n"
    "                        the one row of the flags below\n"
    "  --cell lstm --dtype bf16|f16|tf32|f32|f64 --hidden 256 --input 256 (as hidden) --batch 32 --steps 256\n"
    "  --layers 1 --directions 1|2 --ragged --pass training|inference\n"
    "  --direction-order automatic|in_turn|streams|batched: how Rondo runs two directions\n"
    "  --layer-order automatic|in_turn|wavefront: and several layers\n"
    "  --loop automatic|steps|solo|cluster|grid: and the steps of a layer\n"
    "  --parity COUNT        compare so many small random cases with cuDNN instead of timing anything\n"
    "  --alone               Rondo without cuDNN: no ratio, no agreement but with the reference\n"
    "  --seconds 600         no row is begun after that\n"
    "  --output FILE         JSON, rewritten after every row\n"
    "  --commit TEXT         what was built, for the record\n"
    "  --device 0 --list (print the rows, measure nothing) --help\n";

namespace {

DirectionOrder direction_order(const std::string& word) {
    for (const auto order :
         {DirectionOrder::automatic, DirectionOrder::in_turn, DirectionOrder::streams, DirectionOrder::batched})
        if (name_of(order) == word) return order;
    refuse("--direction-order", word, "must be automatic, in_turn, streams or batched");
}

LayerOrder layer_order(const std::string& word) {
    for (const auto order : {LayerOrder::automatic, LayerOrder::in_turn, LayerOrder::wavefront})
        if (name_of(order) == word) return order;
    refuse("--layer-order", word, "must be automatic, in_turn or wavefront");
}

TimeLoop time_loop(const std::string& word) {
    for (const TimeLoop loop :
         {TimeLoop::automatic, TimeLoop::steps, TimeLoop::solo, TimeLoop::cluster, TimeLoop::grid})
        if (word == name_of(loop)) return loop;
    refuse("--loop", word, "must be automatic, steps, solo, cluster or grid");
}

}  // namespace

Flags parse_flags(const std::vector<std::string>& words) {
    Flags flags;
    Row row;
    row.dynamic = true;
    row.input = 0;
    std::string grid_name;
    bool single = false;
    const std::map<std::string, std::function<void(const std::string&)>> of_row{
        {"--cell", [&](const std::string& word) { row.cell = word; }},
        {"--dtype", [&](const std::string& word) { row.dtype = Precision::parse(word).name(); }},
        {"--hidden", [&](const std::string& word) { row.hidden = whole("--hidden", word, 1); }},
        {"--input", [&](const std::string& word) { row.input = whole("--input", word, 1); }},
        {"--batch", [&](const std::string& word) { row.batch = whole("--batch", word, 1); }},
        {"--steps", [&](const std::string& word) { row.steps = whole("--steps", word, 1); }},
        {"--layers", [&](const std::string& word) { row.layers = whole("--layers", word, 1); }},
        {"--directions",
         [&](const std::string& word) {
             require(word == "1" || word == "2", "--directions", word, "must be 1 or 2");
             row.directions = word == "2" ? 2 : 1;
         }},
        {"--direction-order", [&](const std::string& word) { row.direction_order = direction_order(word); }},
        {"--layer-order", [&](const std::string& word) { row.layer_order = layer_order(word); }},
        {"--loop", [&](const std::string& word) { row.loop = time_loop(word); }},
        {"--pass",
         [&](const std::string& word) {
             require(word == "training" || word == "inference", "--pass", word, "must be training or inference");
             row.training = word == "training";
         }},
    };
    const std::map<std::string, std::function<void(const std::string&)>> others{
        {"--grid", [&](const std::string& word) { grid_name = word; }},
        {"--seconds", [&](const std::string& word) { flags.seconds = number("--seconds", word, 0); }},
        {"--output", [&](const std::string& word) { flags.output = word; }},
        {"--commit", [&](const std::string& word) { flags.commit = word; }},
        {"--parity", [&](const std::string& word) { flags.parity = static_cast<int>(whole("--parity", word, 1)); }},
        {"--device", [&](const std::string& word) { flags.device = static_cast<int>(whole("--device", word, 0)); }},
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (word == "--list" || word == "--help") {
            (word == "--list" ? flags.list : flags.help) = true;
        } else if (word == "--alone") {
            flags.alone = true;
        } else if (word == "--ragged") {
            row.ragged = single = true;
        } else {
            const auto in_row = of_row.find(word), other = others.find(word);
            require(in_row != of_row.end() || other != others.end(), "flag", word, "is unknown; --help lists all");
            require(i + 1 < words.size(), "flag", word, "needs a value");
            single |= in_row != of_row.end();
            (in_row != of_row.end() ? in_row : other)->second(words[++i]);
        }
    }
    require(grid_name.empty() || !single, "--grid", grid_name, "cannot be given with the flags of a single row");
    if (row.input == 0) row.input = row.hidden;
    validate(row.stack());
    if (flags.parity > 0) {
        require(grid_name.empty() && !single, "--parity", flags.parity, "cannot be given with a grid or a single row");
        flags.rows = parity_rows(flags.parity);
        return flags;
    }
    flags.rows = grid_name.empty() ? std::vector<Row>{row} : grid(grid_name);
    return flags;
}

}  // namespace rondo::bench
