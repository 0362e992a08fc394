#pragma once
/// The only list of cells, and the one visitor that turns a cell's name into its type.
#include <string_view>
#include <type_traits>

#include "rondo/cell/gru.hpp"
#include "rondo/cell/layer_norm.hpp"
#include "rondo/cell/lstm.hpp"
#include "rondo/cell/mingru.hpp"
#include "rondo/cell/minlstm.hpp"
#include "rondo/cell/slstm.hpp"
#include "rondo/cell/vanilla.hpp"
#include "rondo/error.hpp"

namespace rondo {

template <class... Cells>
struct TypeList {};

/// A new cell is its header and its name here.
using CellList = TypeList<cell::RnnTanh, cell::RnnRelu, cell::Lstm<false, false>, cell::Lstm<true, false>,
                          cell::Lstm<false, true>, cell::Lstm<true, true>, cell::Gru, cell::GruResetBefore, cell::Slstm,
                          cell::MinGru, cell::MinLstm, cell::LayerNormLstm, cell::LayerNormGru>;

namespace detail {

template <class Visitor, class... Cells>
void visit_cell(std::string_view name, CellOptions options, Visitor&& visitor, TypeList<Cells...>) {
    bool known = false, done = false;
    auto consider = [&]<class Cell>(std::type_identity<Cell>) {
        known = known || Cell::kName == name;
        if (done || Cell::kName != name || !(Cell::kOptions == options)) return;
        done = true;
        visitor.template operator()<Cell>();
    };
    (consider(std::type_identity<Cells>{}), ...);
    if (done) return;
    if (known)
        refuse("cell", name,
               concat("does not take this combination of options (peepholes ", options.peepholes, ", coupled ",
                      options.coupled, ", reset_before ", options.reset_before, ")"));
    std::string names, last;
    ((Cells::kName == last ? void()
                           : void(names += concat(names.empty() ? "" : ", ", last = std::string(Cells::kName)))),
     ...);
    refuse("cell", name, concat("must be one of ", names));
}

}  // namespace detail

/// Calls visitor.operator()<Cell>() for the cell of that name and options. Throws Error when there is none.
template <class Visitor>
void visit_cell(std::string_view name, CellOptions options, Visitor&& visitor) {
    detail::visit_cell(name, options, static_cast<Visitor&&>(visitor), CellList{});
}

}  // namespace rondo
