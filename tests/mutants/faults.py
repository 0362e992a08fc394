"""Planted faults: what a test suite with teeth must notice. One entry a fault:

    (name, file, text as it stands, text with the fault, sources that are compiled anew)

The text must occur exactly once in the file (or in the folder), so that a fault cannot quietly miss its mark; line
breaks do not matter. Where no sources are named, the file itself is one. Cells are compiled anew in double alone: that
is where the oracle judges them.
"""

CELLS = ["host/cpu/isa/cells_f64.cpp"]
LSTM, GRU, VANILLA, SLSTM, MINGRU, MINLSTM = (
    f"include/rondo/cell/{n}.hpp" for n in ("lstm", "gru", "vanilla", "slstm", "mingru", "minlstm"))
FORWARD, BACKWARD, PLAN = (f"host/scheduler/{n}.cpp" for n in ("forward", "backward", "plan"))
RNN, CHECK, VALIDATE = (f"host/scheduler/{n}.cpp" for n in ("rnn", "check", "validate"))
ISA = "host/cpu/isa"
OBSERVE = "host/cpu/ops/observe.cpp"
ROWS = ["host/cpu/isa/cells_f64.cpp", "host/cpu/isa/forward.cpp", "host/cpu/isa/backward.cpp"]

FAULTS = [
    # Cells: equations and their derivatives.
    ("lstm: input and output gate swapped", LSTM, "T ai = e.gates_x[I] + e.gates_h[I];", "T ai = e.gates_x[O] + e.gates_h[I];", CELLS),
    ("lstm: output peephole sees the old c", LSTM, "ao = ao + e.vectors[PO] * c;", "ao = ao + e.vectors[PO] * e.state[C];", CELLS),
    ("lstm: gradient of the output peephole lost", LSTM, "dc = dc + dao * e.vectors[PO];", "dc = dc + T(0) * e.vectors[PO];", CELLS),
    ("lstm: c clipped but its gradient passes", LSTM, "dc = select(negative(marked), T(0), dc);", "", CELLS),
    ("lstm: a closed output gate loses the mark of the clip", LSTM, "select(negative(marked), T(0), dc);", "select(marked < T(0), T(0), dc);", CELLS),
    ("lstm: coupled gate's gradient misses the forgotten c", LSTM, "dai = dc * (g - c) * d_sigmoid(i);", "dai = dc * g * d_sigmoid(i);", CELLS),
    ("lstm: gradient of c's final state lost", LSTM, "T dc = e.dnext[C] + e.dnext[H] * o * d_tanh(tanh_c);", "T dc = e.dnext[H] * o * d_tanh(tanh_c);", CELLS),
    ("lstm: forget peephole's gradient has the new c", LSTM, "e.dvectors[PF] = daf * c;", "e.dvectors[PF] = daf * e.next[C];", CELLS),
    ("gru: update gate turned round", GRU, "e.next[H] = (T(1) - z) * n + z * e.state[H];\n        e.saved[R] = r;", "e.next[H] = z * n + (T(1) - z) * e.state[H];\n        e.saved[R] = r;", CELLS),
    ("gru: sign of the update gate's gradient", GRU, "e.dgates_h[Z] = dh * (e.state[H] - n) * d_sigmoid(z);", "e.dgates_h[Z] = dh * (n - e.state[H]) * d_sigmoid(z);", CELLS),
    ("gru: reset gate missing from the candidate's gradient", GRU, "e.dgates_h[N] = dan * r;", "e.dgates_h[N] = dan;", CELLS),
    ("gru: element-wise part of dh lost", GRU, "e.dstate[H] = dh * z;\n    }\n};\n\nstruct GruResetBefore", "e.dstate[H] = T(0);\n    }\n};\n\nstruct GruResetBefore", CELLS),
    ("gru reset before: gradient through r∘h lost", GRU, "e.dstate[H] = e.dstate[H] + e.doperand * r;", "(void)r;", CELLS),
    ("gru reset before: reset not applied", GRU, "e.saved[kResetH] = e.saved[R] * e.state[H];", "e.saved[kResetH] = e.state[H];", CELLS),
    ("slstm: stabiliser forgets the past", SLSTM, "const T m = select(past >= ai, past, ai);", "const T m = ai + T(0) * past;", CELLS),
    ("slstm: n has the forget gate alone", SLSTM, "n = fma(f, e.state[N], i);", "n = f * e.state[N];", CELLS),
    ("slstm: the stabiliser's gradient goes the other way", SLSTM, "df + select(of_past, dm, T(0));", "df + select(of_past, T(0), dm);", CELLS),
    ("slstm: nothing accumulated, and divided by it", SLSTM, "select(e.state[N] > T(0), e.state[M] + log_f, T(-1e30f))", "e.state[M] + log_f", CELLS),
    ("slstm: gradient of the ratio misses n", SLSTM, "e.dnext[N] - dratio * ratio", "e.dnext[N]", CELLS),
    ("mingru: gradient of z misses h", MINGRU, "(e.b * e.saved[N] - e.a)", "(e.b * e.saved[N])", CELLS),
    ("minlstm: shares do not add up to one", MINLSTM, "sigmoid(T(0) - d) * e.gates[G]", "sigmoid(d) * e.gates[G]", CELLS),
    ("minlstm: sign of the input gate's gradient", MINLSTM, "T(0) - dd * e.saved[kShutI]", "dd * e.saved[kShutI]", CELLS),
    ("tanh: derivative of another function", VANILLA, "return math::d_tanh(y);", "return math::d_sigmoid(y);", CELLS),
    ("relu: leaks below zero", VANILLA, "select(y > T(0), T(1), T(0))", "select(y > T(0), T(1), T(0.01))", CELLS),

    # The scheduler: order, places, accumulation.
    ("forward: first steps read stale states", FORWARD, "pass_.backend.copy(slot(s, 0), given(s), size, pass_.stream);", "pass_.backend.zero(slot(s, 0), size, pass_.stream);", None),
    ("forward: the reverse loop's final state is its first", FORWARD, "const std::int64_t last = loop_.reverse ? 0 : pass_.steps() - 1;", "const std::int64_t last = pass_.steps() - 1;", None),
    ("forward: inference begins from nothing", FORWARD, "return reads_given_ && given(s) ? given(s) : slot(s, 0);", "return slot(s, 0);", None),
    ("forward: one step over what it reads", FORWARD, "writes_wanted() && begins_apart();", "writes_wanted();", None),
    ("forward: every step is the last", FORWARD, "done == pass_.steps() && final_state(s)", "final_state(s)", None),
    ("forward: sequences of states off by one step", FORWARD, "(loop_.reverse ? 0 : state_bytes(s))", "0", None),
    ("forward: recurrent bias of the wrong gate", FORWARD, "step.bias_h = static_cast<const std::byte*>(step.bias_h) + stage.first_gate * hidden * pass_.bytes.gates;", "step.bias_h = static_cast<const std::byte*>(step.bias_h) + 0;", None),
    ("forward: input bias forgotten", FORWARD, "product.bias = pass.parameter(loop.parameters.b_ih);", "product.bias = nullptr;", None),
    ("forward: dropout of every layer has one mask", FORWARD, ".site = l,", ".site = 0,", None),
    ("forward: average taken as sum", FORWARD, "layer.merge == Merge::average ? 0.5 : 1.0", "1.0", None),
    ("forward: the second direction overwrites the sum", FORWARD, "direction == 1};", "false};", None),
    ("forward: inference mixes its two slots", FORWARD, "return slots + done % 2 * state_bytes(s);", "return slots;", None),
    ("backward: one step too late", BACKWARD, "return range_.loop.reverse ? t - 1 : t + 1;", "return range_.loop.reverse ? t - 1 : (t + 2 < pass_.steps() ? t + 2 : t + 1);", None),
    ("backward: final state's gradient lost", BACKWARD, "return is_last_step(t) ? data_of(args_.dfinal_states, state_index(s)) : dstate(s);", "return is_last_step(t) ? nullptr : dstate(s);", None),
    ("backward: gradient of states along the way lost", BACKWARD, "step.dstep[s] = dstep(s, t);", "step.dstep[s] = nullptr;", None),
    ("backward: dy read at the wrong step", BACKWARD, "dh.dy = range_.gradients.dy + (t * pass_", "dh.dy = range_.gradients.dy + ((t > 0 ? t - 1 : t) * pass_", None),
    ("backward: average's gradient not halved", BACKWARD, "dh.dy_scale = part_.scale;", "dh.dy_scale = 1;", None),
    ("backward: mask of the dropped input lost", BACKWARD, "case Operation::Kind::dropout:\n                drop_gradient(range);", "case Operation::Kind::dropout:\n                (void)drop_gradient;", None),
    ("backward: dropout's mask of another layer", BACKWARD, ".site = static_cast<std::uint64_t>(range.op.layer),", ".site = static_cast<std::uint64_t>(range.op.layer + 1),", None),
    ("forward: every piece drops out the first steps", FORWARD, "const std::int64_t first = op.begin * pass.batch()", "const std::int64_t first = 0 * op.begin * pass.batch()", None),
    ("backward: every piece drops the gradient of the first steps", BACKWARD, "range.gradients.dx + range.op.begin * pass.batch() * range.layer.input", "range.gradients.dx + 0 * range.op.begin * pass.batch() * range.layer.input", None),
    ("backward: recurrent weights' gradient pairs h with its own step", BACKWARD, "range.fed_back(range.loop.reverse ? begin + 1 : begin), width);", "range.fed_back(range.loop.reverse ? begin : begin + 1), width);", None),
    ("backward: recurrent weights' gradient pairs the h that was not dropped", BACKWARD, "if (loop.fed_back == kAbsent) return state_slot(0, slot);", "if (slot >= 0) return state_slot(0, slot);", None),
    ("backward: dropped weights have a gradient", BACKWARD, ".rate = range.layer.spec.weight_dropout,", ".rate = 0.0,", None),
    ("backward: zoneout's states are taken for what the cell made", BACKWARD, "if (candidates == kAbsent) return", "if (t >= 0) return", None),
    ("backward: the first dropped chunk adds to what was there", BACKWARD, "dropped ? !range.starts() : accumulate", "dropped ? true : accumulate", None),
    ("forward: the initial h is not dropped", FORWARD, "slot(0, 0), 1, spec.width(), Draw::recurrent, spec.recurrent_dropout);", "slot(0, 0), 1, spec.width(), Draw::recurrent, 0.0);", None),
    ("forward: both directions draw alike", "host/scheduler/noise.hpp", "static_cast<std::uint64_t>(draw) + (reverse ? 1 : 0);", "static_cast<std::uint64_t>(draw) + (reverse ? 0 : 0);", [FORWARD, BACKWARD]),
    ("backward: bias_hh has bias_ih's gradient", BACKWARD, "range.dparameter(to.b_hh), range.dgates_h(begin)", "range.dparameter(to.b_hh), range.dgates_x(begin)", None),
    ("backward: padding reaches the input weights", BACKWARD, "const bool masked = range.op.layer == 0 && pass.program.masked_x != kAbsent;", "const bool masked = false;", None),
    ("backward: chunks overwrite one another's gradients", BACKWARD, "args.accumulate || !range.starts();", "args.accumulate;", None),
    ("backward: neighbouring chunks share one buffer", BACKWARD, "buffers[static_cast<std::size_t>(chunk % 2)]", "buffers[0]", None),
    ("backward: accumulate forgotten for peepholes", BACKWARD, "vectors, vectors, args.accumulate, pass.stream", "vectors, vectors, false, pass.stream", None),
    ("backward: peephole sums start with what was there", BACKWARD, "if (range_.starts() && cell.vectors > 0)", "if (false && cell.vectors > 0)", None),
    ("backward: the second direction overwrites dx", BACKWARD, "product.accumulate = range.direction == 1;", "product.accumulate = false;", None),
    ("backward: gaps of the gradient keep their NaN", BACKWARD, "if (args.dparameters && !args.accumulate) zero_gaps", "if (false) zero_gaps", None),
    ("backward: initial gradient without the first step's product", BACKWARD, "set_product(gradient.dh, gradient.t);", "", None),
    ("plan: the gates' buffer is one row short", PLAN, "const std::int64_t elements = layer.chunk * batch * layer.cell.gates * layer.spec.hidden;", "const std::int64_t elements = (layer.chunk * batch - 1) * layer.cell.gates * layer.spec.hidden;", None),

    # What an observed backward tells.
    ("observe: gates of the step before", BACKWARD, "range.candidate(0, begin), range.hidden}", "range.state_slot(0, range.loop.slot_before(begin)), range.hidden}", None),
    ("observe: every chunk tells the first steps", BACKWARD, "seen.out = args.observations + info->offset + begin * info->columns();", "seen.out = args.observations + info->offset;", None),
    ("observe: the second direction has the first one's dy", BACKWARD, "(begin * batch * part.stride + part.offset) * storage;", "begin * batch * part.stride * storage;", None),
    ("observe: an average's gradient not halved", BACKWARD, "seen.dy_scale = part.scale;", "seen.dy_scale = 1;", None),
    ("observe: rows past their length count", OBSERVE, "if (seen.lengths && seen.begin + t >= seen.lengths[b]) continue;", "", None),
    ("observe: what outputs bring is left in", OBSERVE, "if (dy) rest -= dy[i] * dy_scale;", "if (dy) rest -= dy[i] * dy_scale * 0;", None),
    ("observe: gradient of steps' states is left in", OBSERVE, "if (dstep) rest -= dstep[i];", "if (dstep) rest -= dstep[i] * 0;", None),
    ("observe: the sign of a marked gate counts", OBSERVE, "const T a = x[i] < 0 ? -x[i] : x[i];", "const T a = x[i];", None),
    ("observe: a scan tells its carry alone", ISA, "store<kWhole>(dh, told + element, n);", "store<kWhole>(carry[v], told + element, n);", CELLS),
    ("observe: gates that are saved shut count as open", OBSERVE, "low += x[i] > kOpen; high += x[i] < kShut;", "low += x[i] < kShut; high += x[i] > kOpen;", None),

    # What is checked.
    ("rnn: a token may be used twice", RNN, "record.consumed = true;", "", None),
    ("rnn: an overwritten reserve is taken", RNN, "record->generation != token.generation", "false", None),
    ("rnn: inference may be followed by backward", RNN, "if (token.mode != Mode::training)", "if (false)", None),
    ("check: lengths beyond T", CHECK, "lengths[b] > plan.extent.steps", "false", None),
    ("check: any shape of a view", CHECK, "if (!(view.shape == shape)) refuse", "if (false) refuse", None),
    ("validate: projection as wide as h", VALIDATE, "layer.projection < layer.hidden", "layer.projection <= layer.hidden", None),

    # The CPU: idle rows, tails, the clip inside the recurrence.
    ("cpu: idle rows leave saved planes as they were", ISA, "if (saved) for (int p = 0; p < Cell::kSaved; ++p) store<kWhole>(zero,", "if (false) for (int p = 0; p < Cell::kSaved; ++p) store<kWhole>(zero,", CELLS),
    ("cpu: idle rows lose their state", ISA, "store<kWhole>(s == 0 && layer.projected ? zero :", "store<kWhole>(s == 0 ? zero :", CELLS),
    ("cpu: idle rows lose the gradient of c", ISA, "store<kWhole>(step.dnext[s] ? load<kWhole>(in(step.dnext[s]) + at, n) : zero,", "store<kWhole>(zero,", CELLS),
    ("cpu: idle rows keep the gates' gradients of another step", ISA, "for (int g = 0; g < Cell::kGates; ++g) { store<kWhole>(zero,", "for (int g = 1; g < Cell::kGates; ++g) { store<kWhole>(zero,", CELLS),
    ("cpu: recurrent bias left out", ISA, "if (bias) sum = sum + load<kWhole>(bias + g * hidden + unit, n);", "(void)bias;", CELLS),
    ("cpu: peephole gradient is only the last step's", ISA, "store<kWhole>(load<kWhole>(sum, n) + e.dvectors[v], sum, n);", "store<kWhole>(e.dvectors[v], sum, n);", CELLS),
    ("cpu: a row takes one step more than its length", ISA, "t < layer.lengths[row];", "t <= layer.lengths[row];", ROWS),
    ("cpu: y of idle rows left as it was", ISA, "if (y && !add) store<kWhole>(Pack<T>(T(0)), y + row * stride + unit, n);", "(void)row, (void)unit, (void)n;", ROWS),
    ("cpu: value clip of the outputs' gradient too", ISA, "if (dstep) d = d + load<kWhole>(dstep + row * layer.width + unit, n);", "if (dstep) d = d + load<kWhole>(dstep + row * layer.width + unit, n);\n        if (clips) d = math::clamp(d, Pack<T>(limit));", ROWS),
    ("cpu: gradient of h along the way lost", ISA, "if (dstep) d = d +", "if (false) d = d +", ROWS),
    ("cpu: norm clip counts the rows that rest", ISA, "if (!takes(layer, row, dh.later)) continue;", "", None),
    ("cpu: norm clip by the square", ISA, "__builtin_sqrt(sum_of_squares(x, layer.width))", "sum_of_squares(x, layer.width)", None),
    ("cpu: a projected row that rests loses its gradient", ISA, "out[i] = active ? T(0) : dh[i];", "out[i] = T(0); (void)active, (void)dh;", None),
    ("cpu: what zoneout keeps has a gradient twice", ISA, "e.dnext[s] = select(stays, P(T(0)), e.dnext[s]);", "", CELLS),
    ("cpu: what zoneout keeps has no gradient", ISA, "stayed[s] = select(stays, e.dnext[s], P(T(0)));", "", CELLS),
    ("cpu: zoneout's expectation turned round", ISA, "state - candidate, candidate)", "candidate - state, state)", CELLS),
    ("cpu: dropped h is fed the gradient of its product", ISA, "if (mask) flow = flow * load<kWhole>(mask + row * layer.width + unit, n);", "", ROWS),
    ("cpu: rows that rest feed back nothing", ISA, "if (step.fed_back) feed_back<T, kWhole>", "if (false) feed_back<T, kWhole>", CELLS),
    ("cpu: a scan goes on in a row that has ended", ISA, "const bool active = takes(layer, row, scan.begin + at); const Output", "const bool active = true; const Output", CELLS),
    ("cpu: a scan's carry is not kept by zoneout", ISA, "fma(Cell::decay(e.saved), made, stayed)", "Cell::decay(e.saved) * made", CELLS),
    ("cpu: padding not cleared when inputs drop out", "host/cpu/ops/dropout.cpp", "if (d.lengths) clear_idle", "if (false) clear_idle", None),
    ("cpu: a piece's padding is that of the first steps", "host/cpu/ops/dropout.cpp", "if (t >= d.lengths[b])", "if (t - d.begin >= d.lengths[b])", None),
    ("cpu: a piece has the mask of the first steps", "host/cpu/ops/dropout.cpp", "d.per_sequence ? 0 : d.begin * step,", "0,", None),
    ("cpu: kept inputs not scaled", "host/cpu/ops/dropout.cpp", "static_cast<T>(1 / (1 - d.rate))", "static_cast<T>(1)", None),
    ("cpu: one mask a sequence is drawn anew", "host/cpu/ops/dropout.cpp", "d.per_sequence ? step : steps * step;", "steps * step;", None),
    ("cpu: bias sums lose their odd row", ISA, "if (r < r1) even = even +", "if (false) even = even +", None),
    ("cpu: column sums never add", ISA, "accumulate ? load<kWhole>(sum, n) + value : value", "accumulate && false ? load<kWhole>(sum, n) + value : value", None),
]
