"""Planted faults in the kernels and in the host code around them, for run_lane.py. One entry a fault, as in faults.py:

    (name, file, text as it stands, text with the fault, sources that are compiled anew; None: the file itself)

Not here, since they change no number: other values than 0 in the saved planes of idle rows (their gates' gradients are
0), y of idle rows written by the second direction as well (the first has written 0), the product added to rows that took
no later step (it is 0 there), and a factor other than 1 for rows that are not clipped (it is not read).
"""

POINTWISE = "kernels/pointwise/"
FORWARD, BACKWARD = POINTWISE + "forward.cuh", POINTWISE + "backward.cuh"
INCOMING, OUTPUT = POINTWISE + "incoming.cuh", POINTWISE + "output.cuh"
F = [POINTWISE + f"forward_{t}.cu" for t in ("f64", "bf16")]
B = [POINTWISE + f"backward_{t}.cu" for t in ("f64", "bf16")]
G = [POINTWISE + "gradient_of_h.cu", POINTWISE + "clip_rows.cu"]
P = [POINTWISE + "project.cu"]
CLIP, PROJECT, GRADIENT = G[1], P[0], G[0]
ELEMENTS, SUM = "kernels/elements.cuh", "kernels/sum.cuh"
MASK, DROP, COLUMNS, BIAS = (f"kernels/{n}.cu" for n in ("mask_rows", "dropout", "column_sums", "add_bias"))
CAST, ADD, SQUARES, ERROR = (f"kernels/{n}.cu" for n in ("cast", "add", "sum_of_squares", "squared_error"))
UPDATE, ENTROPY, EMBEDDING = (f"kernels/{n}.cu" for n in ("update", "cross_entropy", "embedding"))
SAMPLE, LARGEST, ZERO = (f"kernels/{n}.cu" for n in ("sample", "largest", "zero_unless_finite"))
DRAW, CANDIDATES, SCALE = (f"kernels/{n}.cu" for n in ("draw_candidates", "candidate_logits", "scale_rows"))
LENGTHS, COPY, ADVANCE = (f"kernels/{n}.cu" for n in ("check_lengths", "copy_rows", "advance"))
PARTS = "kernels/loop.cu"
MAP, SUM_ROWS, POOL, ACTIVATION = (f"kernels/{n}.cu" for n in ("map_rows", "sum_rows", "pool", "activation"))
NORM, NORM_PARAMETERS = "kernels/layer_norm.cu", "kernels/layer_norm_parameters.cu"
ATTENTION, QUERIES, KEYS = (f"kernels/attention/{n}.cu" for n in ("forward", "backward_queries", "backward_keys"))
TILES, FRAGMENTS = "kernels/attention/tiles.cuh", "kernels/attention/fragments.cuh"
A = [ATTENTION, QUERIES, KEYS]
WEIGHTS, MODULES = "kernels/attention/weights.cu", "host/cuda/modules.cpp"
ADDITIVE, CTC = "kernels/additive_attention.cu", "kernels/ctc.cu"
STAGING, ORDER = "host/cuda/staging.cpp", "host/cuda/order.cpp"
OPTIMIZER, TRAINER = "host/train/optimizer.cpp", "host/train/trainer.cpp"
SUMS = [SQUARES, ERROR]
MATMUL, LOOP, STREAM, MEMORY, BACKEND, OPERATIONS, GPU = (
    f"host/cuda/{n}.cpp" for n in ("matmul", "time_loop", "stream", "memory", "cuda_backend", "operations", "gpu"))

FAULTS = [
    # The fused cells.
    ("forward: a thread past the end goes on", FORWARD, "if (index >= a.batch * H) return;", "if (index > a.batch * H) return;", F),
    ("forward: rows of gates_x off by a gate", FORWARD, "row * Cell::kGates * H + unit;\n    const auto* gates_h", "(row * Cell::kGates + 1) % (a.batch * Cell::kGates) * H + unit;\n    const auto* gates_h", F),
    ("forward: recurrent gates strided by all gates", FORWARD, "row * Of::kGates * H + unit", "row * Cell::kGates * H % (a.batch * Of::kGates * H) + unit", F),
    ("forward: recurrent bias of gate 0 for all", FORWARD, "load(bias, static_cast<const C*>(a.bias_h) + g * H + unit)", "load(bias, static_cast<const C*>(a.bias_h) + unit)", F),
    ("forward: recurrent bias forgotten", FORWARD, "value[i] + bias[i];", "value[i];", F),
    ("forward: a later stage's gates land on gate 0", FORWARD, "e[i].gates_h[Of::kFirst + g]", "e[i].gates_h[g]", F),
    ("forward: peepholes of another unit", FORWARD, "static_cast<const C*>(a.vectors) + v * H + unit", "static_cast<const C*>(a.vectors) + v * H + (unit + kCount) % H", F),
    ("forward: earlier stage's planes not read", FORWARD, "load(saved[r], saved_to + r * H)", "fill(saved[r], 0)", F),
    ("forward: cell clip ignored", FORWARD, "a.clip > 0 ? static_cast<C>(a.clip) : static_cast<C>(HUGE_VAL)", "static_cast<C>(HUGE_VAL)", F),
    ("forward: mask lost", FORWARD, "if (takes(a.lengths, row, a.t)) {", "if (a.t >= 0) {", F),
    ("forward: mask off by one step", FORWARD, "if (takes(a.lengths, row, a.t)) {", "if (takes(a.lengths, row, a.t - 1)) {", F),
    ("forward: idle rows keep stale saved planes", FORWARD, "if (saved_to != nullptr) {", "if (saved_to != nullptr && takes(a.lengths, row, a.t)) {", F),
    ("forward: all elements of a vector get the first state", FORWARD, "e[i].state[s] = state[s][i];", "e[i].state[s] = state[s][0];", F),
    ("forward: h is handed on unrounded", FORWARD, "next[0][i] = rounded<S>(next[0][i]);", "", F),
    ("forward: wide path without the width's consent", FORWARD, "bool wide = a.hidden % kCount == 0 &&", "bool wide =", F),
    ("forward: blocks rounded down", FORWARD, "blocks_of_directions(wide ? elements / kCount : elements, directions.count)", "dim3(static_cast<unsigned>(elements / (wide ? kCount : 1) / kThreads + 1 - (elements > 2 * kThreads)), static_cast<unsigned>(directions.count))", F),
    ("forward: second stage runs the first's map", FORWARD, "if (stage == 1) found", "if (stage == 2) found", F),
    ("output: the second direction overwrites", OUTPUT, "if (add) load_any(value, to);", "", F + P),
    ("output: scale forgotten", OUTPUT, "h[i] * scale", "h[i]", F + P),
    ("output: idle rows of y left as they were", OUTPUT, "if (y == nullptr || add) return;", "return;", F + P),
    ("output: idle rows strided by the width of a vector", OUTPUT, "store_any(y + row * stride + unit, zero)", "store_any(y + row * kCount + unit, zero)", F + P),
    ("backward: idle rows keep stale gate gradients", BACKWARD, "store(static_cast<S*>(a.dgates_x) + (row * Cell::kGates + g) * H + unit, value);\n        if", "if", B),
    ("backward: idle rows drop the gradient of h", BACKWARD, "store(static_cast<C*>(a.dstate[0]) + element, dh);", "store(static_cast<C*>(a.dstate[0]) + element, value);", B),
    ("backward: idle rows drop the gradient of c", BACKWARD, "if (a.dnext[s]) load(value, static_cast<const C*>(a.dnext[s]) + element);\n        store", "store", B),
    ("backward: mask lost", BACKWARD, "const bool active = takes(a.lengths, row, a.t);", "const bool active = true;", B),
    ("backward: c before and after exchanged", BACKWARD, "load(value, static_cast<const C*>(a.next[s]) + element)", "load(value, static_cast<const C*>(a.state[s]) + element)", B),
    ("backward: saved planes of one gate for all", BACKWARD, "(row * Cell::kSaved + r) * H + unit", "row * Cell::kSaved * H + unit", B),
    ("backward: gradient of c's step output lost", BACKWARD, "value[i] + from_step[i];", "value[i];", B),
    ("backward: recurrent gates get the input gates' gradient", BACKWARD, "value[i] = e[i].dgates_h[g];", "value[i] = e[i].dgates_x[g];", B),
    ("backward: peephole gradients of the last step alone", BACKWARD, "value[i] += e[i].dvectors[v];", "value[i] = e[i].dvectors[v];", B),
    ("backward: earlier stage forgets the later one's gates", BACKWARD, "load(value, dgates_x + g * H);", "fill(value, 0);", B),
    ("backward: earlier stage forgets the carried gradient", BACKWARD, "load(value, static_cast<const C*>(a.dstate[s]) + element);", "fill(value, 0);", B),
    ("backward: projected carry not cleared", BACKWARD, "active ? C(0) : to_compute", "to_compute", B),
    ("backward: projected carry strided by hidden", BACKWARD, "to[row * a.width + column]", "to[row * a.width + (column + 1) % a.width]", B),
    ("incoming: carry of the wrong type", INCOMING, "if (g.carry_in_storage)", "if (!g.carry_in_storage)", B + G),
    ("incoming: what passes idle rows is clipped", INCOMING, "if (g.product != nullptr && takes(g.lengths, row, g.later)) {", "if (g.product != nullptr) {", B + G),
    ("incoming: clip by value lost", INCOMING, "if (g.clip > 0) {", "if (g.clip > 1e9) {", B + G),
    ("incoming: clip by norm lost", INCOMING, "d[i] *= factor;", "d[i] *= factor > C(0) ? C(1) : factor;", B + G),
    ("incoming: dy of padding is read", INCOMING, "if (!takes(g.lengths, row, g.t)) return;", "", B + G),
    ("incoming: scale of dy forgotten", INCOMING, "d[i] += value[i] * scale;", "d[i] += value[i];", B + G),
    ("incoming: gradient of h's step output lost", INCOMING, "if (g.dstep != nullptr) {", "if (g.dstep == &g) {", B + G),
    ("clip rows: norm of the first columns alone", CLIP, "column < g.width; column += kThreads", "column < g.width && column < 2; column += kThreads", None),
    ("clip rows: the limit taken for the factor", CLIP, "limit / norm", "limit", None),
    ("project: idle rows lose h", PROJECT, "load_any(h, static_cast<const S*>(a.h) + index);", "fill(h, 0);", None),
    ("project: mask of the next step", PROJECT, "takes(a.lengths, at.row, a.t)", "takes(a.lengths, at.row, a.t + 1)", None),

    # Around the loop.
    ("elements: a thread strides by its block", ELEMENTS, "return static_cast<std::int64_t>(gridDim.x) * blockDim.x;", "return blockDim.x;", [ADD, UPDATE, SQUARES]),
    ("elements: unaligned store goes one too far", ELEMENTS, "for (int i = 0; i < kCount; ++i) to[i] = to_storage<T>(from[i]);\n}\n\ntemplate <int kCount, class C>", "for (int i = 0; i < kCount; ++i) to[i + 1] = to_storage<T>(from[i]);\n}\n\ntemplate <int kCount, class C>", F),
    ("mask rows: time and row exchanged", MASK, "takes(lengths, step.column, step.row)", "takes(lengths, step.row % batch, step.column)", None),
    ("dropout: the mask of every step is the first's", DROP, "static_cast<std::uint64_t>(group.column)", "static_cast<std::uint64_t>(group.column % 4)", None),
    ("dropout: lengths ignored", DROP, "return takes(a.lengths, step.column, step.row);", "return true;", None),
    ("dropout: site ignored", DROP, "dropout_mask(*a.seed, *a.step, a.site, a.rate)", "dropout_mask(*a.seed, *a.step, 0, a.rate)", None),
    ("column sums: barrier dropped", COLUMNS, "    __syncthreads();\n    if (threadIdx.y", "    if (threadIdx.y", None),
    ("column sums: the last share's rows are read past", COLUMNS, "begin + rows_of_share < rows ? begin + rows_of_share : rows", "begin + rows_of_share", None),
    ("column sums: one thread row too few", COLUMNS, "for (int i = 1; i < kRows; ++i) sum", "for (int i = 1; i < kRows - 1; ++i) sum", None),
    ("column sums: accumulates twice", COLUMNS, "accumulate && shares == 1", "accumulate", None),
    ("add bias: row stride taken for the columns", BIAS, "at.row * stride + at.column", "at.row * cols + at.column", None),
    ("squares: a partial sum left out", SUM, "for (std::int64_t i = threadIdx.x; i < count; i += kSumThreads) sum", "for (std::int64_t i = threadIdx.x + 1; i < count; i += kSumThreads) sum", SUMS),
    ("squared error: factor two lost", ERROR, "const double factor = 2 * ", "const double factor = ", None),
    ("cross-entropy: barrier before overwriting the logits dropped", ENTROPY, "        __syncthreads();  // x[target] has been read\n", "", None),
    ("cross-entropy: sum not rescaled to the row's maximum", "kernels/loss.cuh", "if (sum != C(0)) sum *=", "if (sum == C(-1)) sum *=", [ENTROPY]),
    ("cross-entropy: rows without a target are counted", ENTROPY, "if (target < 0) {", "if (target < -1) {", None),
    ("embedding: equal ids of the next run are left out", EMBEDDING, "i < count && ids[i] == id", "i < count && i < begin + 20 && ids[i] == id", None),
    ("embedding: every row of a run begins one", EMBEDDING, "if (begin > 0 && ids[begin - 1] == id) return;", "", None),
    ("embedding: gradient in sorted order of nothing", EMBEDDING, "dout[order[i] * cols + column]", "dout[i * cols + column]", None),
    ("embedding: the second part of the rows is the first again", EMBEDDING, "sort_pairs(ids + begin,", "sort_pairs(ids,", None),
    ("embedding: a master table's gradient is rounded", EMBEDDING, "*to = to_storage<W>(sum);", "*to = to_storage<W>(to_compute(to_storage<S>(static_cast<Compute<S>>(sum))));", None),
    ("cross-entropy: loss scale forgotten", ENTROPY, "static_cast<C>(value_or_one(scale) * value_or_one(loss_scale))", "static_cast<C>(value_or_one(scale))", None),
    ("add: overwrites", ADD, "sum[j] += x[j];", "sum[j] = x[j];", None),
    ("largest: sign kept", LARGEST, "device::Maximum{}(fabs(static_cast<double>(to_compute(x[i]))), most)", "device::Maximum{}(static_cast<double>(to_compute(x[i])), most)", None),
    ("zero unless finite: looks at the first value alone", ZERO, "v < count", "v < 1", None),
    ("sample: a class too few of the equals", SAMPLE, "equals++ >= cut.equals", "equals++ > cut.equals", None),
    ("sample: equals of the cut forgotten", SAMPLE, " + cut.equals * weight(number_of<C>(cut.key))", "", None),
    ("sample: all rows draw the same number", SAMPLE, "static_cast<std::uint64_t>(r)), philox", "0), philox", None),
    ("update: skip ignored", UPDATE, "if (a.scalars->skip != 0) return;", "", None),
    ("update: factor of the first group for all", UPDATE, "factors[range->group]", "factors[0]", None),
    ("update: ranges end one element late", UPDATE, "while (element >= end) {", "while (element > end) {", None),
    ("update: clamp ignored", UPDATE, "math::clamp(g[i] * at_range.factor, k.clamp)", "g[i] * at_range.factor", None),
    ("update: decay of the first range for all", UPDATE, "decay = static_cast<C>(range->weight_decay);", "decay = static_cast<C>((range == nullptr ? range : range - (range->begin > 0))->weight_decay);", None),
    ("update: bias correction of the second moment ignored", UPDATE, "sqrt(v[i]) / k.root_correction2", "sqrt(v[i])", None),
    ("update: moment not kept", UPDATE, "if (has_first) store(first + at, m);", "", None),

    # Modules around the stacks.
    ("map rows: not divided", MAP, "place_of(step.row + shift, a.modulo).column", "place_of(at.row + shift, a.modulo).column", None),
    ("map rows: not shifted", MAP, "step.row + shift, a.modulo", "step.row, a.modulo", None),
    ("copy rows: always the first steps", COPY, "((begin + step.row) * a.batch", "(step.row * a.batch", None),
    ("copy rows: past a length", COPY, "if (!takes(a.lengths, row, step.row)) continue;", "", None),
    ("copy rows: lengths of the row that is written", COPY, "takes(a.lengths, row, step.row)", "takes(a.lengths, step.column, step.row)", None),
    ("candidates: classes at a bound belong to the part before", DRAW, "a.cumulated[middle] > at", "a.cumulated[middle] >= at - 1e-3", None),
    ("candidates: rows left out have a target", DRAW, "target < 0 ? -1 : static_cast", "static_cast", None),
    ("candidates: Q of all classes before", DRAW, "(low == 0 ? 0 : a.cumulated[low - 1])", "0", None),
    ("candidates: the target counts twice", CANDIDATES, "j < a.samples && a.ids[a.rows + j] != target", "j < a.samples", None),
    ("candidates: not corrected", CANDIDATES, " - static_cast<C>(a.log_counts[j])", "", None),
    ("candidates: bias of the target forgotten", CANDIDATES, "if (a.bias != nullptr)", "if (false)", None),
    ("scale rows: 0 times NaN", SCALE, "if (factor != Compute<S>(0))", "", None),
    ("scale rows: overwrites", SCALE, "a.add ? to_compute(*to) : Compute<T>(0)", "Compute<T>(0)", None),
    ("scale rows: factors side by side", SCALE, "place_of(i, a.cols).row * a.factor_stride", "place_of(i, a.cols).row", None),
    ("advance: one step too many", ADVANCE, "before <= a.most - steps", "before <= a.most - steps + 1", None),
    ("advance: the first thread's find is told", ADVANCE, "first = -device::block_max<kThreads>(-first);", "static_cast<void>(device::block_max<kThreads>(-first));", None),
    ("sum rows: items beside each other", SUM_ROWS, "from + item * a.item_step * a.from_stride", "from + item * a.from_stride", None),
    ("pool: the last of equals", POOL, "value[j] > y[j] ||", "value[j] >= y[j] ||", None),
    ("pool: mean's gradient over all steps", POOL, "dx[j] /= static_cast<Compute<S>>(length)", "dx[j] /= static_cast<Compute<S>>(a.steps)", None),
    ("activation: GELU's slope without the density", ACTIVATION, "normal_cdf(x) + x * normal_density(x)", "normal_cdf(x)", None),
    ("layer norm: variance around 0", NORM, "(v - mean) * (v - mean)", "v * v", None),
    ("layer norm: mean of the gradient forgotten", NORM, "(g[j] - mean_g - z[j] * mean_gz)", "(g[j] - z[j] * mean_gz)", None),
    ("layer norm: the last share's rows are read past", NORM_PARAMETERS, "begin + rows_of_share < a.rows ? begin + rows_of_share : a.rows", "begin + rows_of_share", None),
    ("step by step: rows go on past their length", PARTS, "takes(lengths, at.column, at.row) ? 1 : 0", "1", None),
    ("step by step: every step draws the same numbers", PARTS, "philox_subseed(*seed, static_cast<std::uint64_t>(i))", "philox_subseed(*seed, 0)", None),
    ("step by step: own words where the target's are wanted", PARTS, "which[i] != 0 ? a[i] :", "which[i] == 0 ? a[i] :", None),
    ("attention: sum not rescaled", ATTENTION, "sum[half] *= shrink;", "", None),
    ("attention: output not rescaled", ATTENTION, "out[i / 2][2 * half + i % 2] *= shrink;", "out[i / 2][2 * half + i % 2] *= C(1);", None),
    ("attention: tiles overwritten while they are read", ATTENTION, "__syncthreads();  // the tiles before have been read", "", None),
    ("attention: causal queries do not see themselves", TILES, "return a.causal && first + t + 1 < keys ? first + t + 1 : keys;", "return a.causal && first + t < keys ? first + t : keys;", A),
    ("attention: where queries begin is forgotten", TILES, "first = a.begins == nullptr ? 0 : a.begins[b];", "first = 0;", A),
    ("attention: rows past a length are loaded", TILES, "if (begin + row < end && rows.wide && column < rows.cols) {", "if (rows.wide && column < rows.cols) {", A),
    ("attention: the second chunk is the first again", QUERIES, "k_tile + part.chunk * kChunk", "k_tile", None),
    ("attention: one column block of the result too few", FRAGMENTS, "if (8 * j >= cols) break;\n                std::uint32_t", "if (8 * j + 8 >= cols) break;\n                std::uint32_t", A),
    ("attention: lanes exchange with the wrong ones", FRAGMENTS, "2 * (t ^ flip) + e", "2 * ((t + flip) % 4) + e", A),
    ("attention: deltas forgotten", QUERIES, "weight * (x - delta[half]) * scale", "weight * x * scale", None),
    ("attention: a causal tile skipped too early", KEYS, "t + kStep<S> <= part.warp_begin)", "t + kStep<S> <= part.warp_begin + kRowsOfWarp)", None),
    ("attention: queries past their length", KEYS, "t + at < part.queries && row <", "row <", None),
    ("attention: a causal tile begins a step late", KEYS, "part.begin / kStep<S> * kStep<S>", "(part.begin + kStep<S>) / kStep<S> * kStep<S>", None),
    ("attention: weights summed over the heads", WEIGHTS, "- log_sum) / static_cast<C>(a.heads)", "- log_sum)", None),
    ("attention: weights of queries past their length", WEIGHTS, "if (t >= queries || key >= keys ||", "if (key >= keys ||", None),
    ("additive attention: mean forgotten", ADDITIVE, "w[s] * (d[s] - mean)", "w[s] * d[s]", None),
    ("additive attention: scores read before they are there", ADDITIVE, "to[s] = sum;\n    }\n    __syncthreads();", "to[s] = sum;\n    }", None),
    ("additive attention: one row of the vector's share", ADDITIVE, "for (int i = 1; i < kShareRows; ++i) sum", "for (int i = 1; i < kShareRows - 1; ++i) sum", None),
    ("additive attention: weights read before they are divided", ADDITIVE, "w[s] / sum : C(0);\n    __syncthreads();", "w[s] / sum : C(0);", None),
    ("CTC: no blank between equal labels", CTC, " && ctc_label(a, b, state / 2) != ctc_label(a, b, state / 2 - 1)", "", None),
    ("CTC: equal labels counted once", CTC, "v = scratch.next[b * a.target_steps + v]", "v = labels", None),
    ("CTC: steps overtake each other", CTC, "row.reached(t, s) + row.emitted(t, s);\n        __syncthreads();", "row.reached(t, s) + row.emitted(t, s);", None),
    ("CTC: posteriors over the last step while it is read", CTC, "__syncthreads();  // the last step has been read", "", None),
    ("CTC: no gradient of padding", CTC, "const bool valid = t < ctc_steps(a, b);", "const bool valid = t < ctc_steps(a, b);\n    if (!valid) return;", None),
    ("modules: the norm's gradient lands on dy first", MODULES, "    // First, since dx may lie where dy does.\n", "    if (n.dx) kernels::layer_norm_backward(arrays_of(n), memory.stream);\n", None),
    ("modules: deltas on the default stream", MODULES, "kernels::attention_deltas(arrays, cuda::handle_of(stream));", "kernels::attention_deltas(arrays, nullptr);", None),

    # The host's part.
    ("matmul: operands not exchanged", MATMUL, "CUBLASLT_MATMUL_DESC_TRANSA, shape.b_transposed", "CUBLASLT_MATMUL_DESC_TRANSA, shape.a_transposed", None),
    ("matmul: stride of A ignored", MATMUL, "make_layout(dtype, shape.k, shape.m, shape.a_stride)", "make_layout(dtype, shape.k, shape.m, shape.k)", None),
    ("matmul: stride of C ignored", MATMUL, "make_layout(c_dtype, shape.n, shape.m, shape.c_stride)", "make_layout(c_dtype, shape.n, shape.m, shape.n)", None),
    ("matmul: never accumulates", MATMUL, "p.accumulate ? alpha : zero", "zero", None),
    ("matmul: bias of the shape's first use", MATMUL, "if (bias) set(chosen.description", "if (bias && chosen_.size() == 1) set(chosen.description", None),
    ("matmul: no bias in double", MATMUL, "if (p.bias && !bias)", "if (p.bias && bias)", None),
    ("matmul: another stream's queue", MATMUL, "memory.workspace().data(), memory.workspace().bytes(), memory.stream),\n", "memory.workspace().data(), memory.workspace().bytes(), nullptr),\n", None),
    ("loop: product of the wrong stage's width", LOOP, "step.stage == 0 ? layer.width : layer.hidden", "layer.hidden", None),
    ("loop: clip factors on top of the product", LOOP, "layer.batch * layer.cell->gates * layer.hidden * size_of(layer.precision.accumulate)", "0", None),
    ("loop: kernel on the default stream", LOOP, "kernels_of(like).backward[any.stage](launched, cuda::handle_of(stream));", "kernels_of(like).backward[any.stage](launched, nullptr);", None),
    ("loop: clip by value forgotten", LOOP, "if (product && clip.kind == RecurrentClip::Kind::value) g.clip = clip.limit;", "", None),
    ("stream: all streams share one workspace", STREAM, "if (memory.stream == stream && (first_taken_ || &memory != &list_.front())) return memory;", "if (first_taken_) return memory;", None),
    ("stream: allocates while capturing", STREAM, "capturing != cudaStreamCaptureStatusNone", "capturing == cudaStreamCaptureStatusInvalidated", None),
    ("memory: host pointers pass", MEMORY, "case cudaMemoryTypeUnregistered:\n", "case cudaMemoryTypeUnregistered:\n            break;\n", None),
    ("memory: exhaustion is some device error", MEMORY, "throw Error(ErrorCode::out_of_memory", "throw Error(ErrorCode::device", None),
    ("backend: compute copies are masters' bytes", BACKEND, "kernels::cast(packing.dtype, packed, accumulator_of(packing.dtype), w,", "kernels::cast(packing.dtype, packed, packing.dtype, w,", None),
    ("backend: zero writes to the default stream", BACKEND, "cudaMemsetAsync(p, 0, bytes, cuda::handle_of(stream))", "cudaMemsetAsync(p, 0, bytes, nullptr)", None),
    ("backend: kernels of another storage type", BACKEND, "known.options == options && known.storage == precision.storage", "known.options == options", None),
    ("operations: momentum not handed on", OPERATIONS, "a.momentum = u.momentum;", "", None),
    ("staging: a piece is filled while it is read", STAGING, "if (done == cudaErrorNotReady)", "if (done == cudaErrorInvalidValue)", None),
    ("staging: pieces are not taken in turn", STAGING, "next_ = (next_ + 1) % kPieces;", "", None),
    ("staging: recorded all the same", STAGING, "capturing != cudaStreamCaptureStatusNone", "capturing == cudaStreamCaptureStatusInvalidated", None),
    ("order: a mark is put on the default stream", ORDER, "cudaEventRecord(event_of(event), cuda::handle_of(stream))", "cudaEventRecord(event_of(event), nullptr)", None),
    ("order: the legacy stream is said to be recordable", ORDER, "return stream.handle != nullptr &&", "return", None),
    ("optimizer: gradients measured without the last tensor", OPTIMIZER, "backend().sum_of_squares(dtype(), gradients.data, network.parameter_count(),", "backend().sum_of_squares(dtype(), gradients.data, network.parameters().back().offset,", None),
    ("trainer: a NaN is carried on", TRAINER, "        network.device().backend().zero_unless_finite(", "        if (keep < -1) network.device().backend().zero_unless_finite(", None),
    ("trainer: replays under another key", TRAINER, "const train::StepKey key{network.plan_id(),", "const train::StepKey key{0 * network.plan_id(),", None),
    ("streams: the second one does not wait for the caller's", "host/scheduler/order.hpp", "            wait(1, 0);\n", "", ["host/scheduler/forward.cpp", "host/scheduler/backward.cpp"]),
    ("streams: the caller's does not wait for the second one", "host/scheduler/order.hpp", "    order.join();\n", "", ["host/scheduler/forward.cpp", "host/scheduler/backward.cpp"]),
    ("streams: a dependency on the other stream is forgotten", "host/scheduler/order.hpp", "other > known_[to])", "other > known_[to] + 100)", ["host/scheduler/forward.cpp", "host/scheduler/backward.cpp"]),
    ("streams: both directions share a workspace", "host/scheduler/pass.hpp", "program.workspaces[workspace_index]", "program.workspaces[0 * workspace_index]", ["host/scheduler/forward.cpp", "host/scheduler/backward.cpp"]),
    ("streams: the second direction's input gradient does not wait", "host/scheduler/lowering.cpp", "d == 1 ? last[0] : -1});", "-1});", None),
    ("trainer: recordings without copies of the parameters", TRAINER, "    network.parameters_changed();\n", "", None),
    ("gpu: counts devices that are not there", GPU, "ordinal < 0 || ordinal >= count", "ordinal < 0", None),

    # Directions batched, layers as a wavefront.
    ("batched: the first direction's operand for both", LOOP, "elements_between(r.a, other.a, p.dtype)", "0", None),
    ("batched: the first direction's weights for both", LOOP, "elements_between(r.w, other.w, p.dtype)", "0", None),
    ("batched: distance in bytes", LOOP, "/ size_of(type);", "/ 1;", None),
    ("batched: blocks for one direction alone", ELEMENTS, "blocks.y = static_cast<unsigned>(directions);", "", F + B + G + P),
    ("batched: forward of the first direction twice", FORWARD, "directions.of[blockIdx.y]", "directions.of[0]", F),
    ("batched: backward of the first direction twice", BACKWARD, "directions.of[blockIdx.y]", "directions.of[0]", B),
    ("batched: the first direction's factors for both", CLIP, "directions.of[blockIdx.y]", "directions.of[0]", None),
    ("batched: rows clipped for one direction alone", CLIP, "blocks.y = static_cast<unsigned>(clip.count);", "", None),
    ("batched: projection of the first direction twice", PROJECT, "directions.of[blockIdx.y]", "directions.of[0]", None),
    ("batched: gradient of h of the first direction twice", GRADIENT, "directions.of[blockIdx.y].dh", "directions.of[0].dh", None),
    ("batched: gradient of h written to one place", GRADIENT, "directions.of[blockIdx.y].out", "directions.of[0].out", None),
    ("batched: alignment of the first matrix alone", MATMUL, "| static_cast<std::uintptr_t>(distance)", "", None),
    ("batched: the distance of the shape's first use", MATMUL, "if (batch.count > 1) chosen.set_batch(batch);", "", None),
    ("batched: A and B of the library exchanged", MATMUL, "cuda::set_batch(a, batch.count, batch.b);", "cuda::set_batch(a, batch.count, batch.a);", None),
    ("batched: states asked for in inference not given", "host/scheduler/forward.cpp", "loop.give_step(i);", "static_cast<void>(loop);", None),
    ("batched: chunks of unequal length together", "host/scheduler/lowering.cpp", "wanted == DirectionOrder::batched && chunks(l) > 1", "wanted == DirectionOrder::batched && chunks(l) > 1000", None),
    ("wavefront: a layer does not wait for the one below", "host/scheduler/lowering.cpp", "l == 0 ? ready_ : After{below[l - 1]}", "ready_", None),
    ("wavefront: dy is not waited for", "host/scheduler/lowering.cpp", "l + 1 < program_.layers.size() ? above[l + 1] : -1", "-1", None),
    ("wavefront: layers share workspaces", "host/scheduler/lowering.cpp", "at.workspace = static_cast<int>(l);", "at.workspace = static_cast<int>(l % 2);", None),
    ("wavefront: two buffers between the layers", "host/scheduler/plan.cpp", "program.arrangement.wavefront ? layers : 2", "2", None),
    ("wavefront: layers that drop out between", "host/scheduler/arrange.cpp", "extent.mode == Mode::training && spec.layers[l].dropout > 0", "false", None),
    ("wavefront: a wave waits for its first layer alone", "host/scheduler/order.hpp", "if (list_[k].wave != op.wave) break;", "break;", ["host/scheduler/forward.cpp", "host/scheduler/backward.cpp"]),

    # What others hand over.
    ("stream: a workspace is taken while capturing", STREAM, "        refuse_capture(stream);\n        buffer_.emplace", "        buffer_.emplace", None),
    ("devices: another GPU's memory passes", MEMORY, "if (attributes.device != ordinal)", "if (attributes.device > 8 + ordinal)", None),
    ("devices: another GPU's stream passes", STREAM, "if (ordinal != gpu.ordinal)", "if (ordinal > 8 + gpu.ordinal)", None),
    ("devices: the thread's GPU is left changed", GPU, "if (before_ >= 0) static_cast<void>(cudaSetDevice(before_));", "", None),
    ("lengths: one step too many passes", LENGTHS, "lengths[row] > steps", "lengths[row] > steps + 1", None),
    ("lengths: negative ones pass", LENGTHS, "lengths[row] < 0 || ", "", None),
    ("lengths: the first rows alone are looked at", LENGTHS, "row < first; row += kThreads", "row < first && row < kThreads; row += kThreads", None),
    ("lengths: the first thread's find is told", LENGTHS, "first = -device::block_max<kThreads>(-first);", "static_cast<void>(device::block_max<kThreads>(-first));", None),
    ("lengths: nobody looks", "host/scheduler/rnn.cpp", "if (args.lengths) backend.check_lengths(", "if (!args.x.data) backend.check_lengths(", None),
    ("lengths: looked at on the default stream", BACKEND, "findings_.bad_length(), cuda::handle_of(stream)", "findings_.bad_length(), nullptr", None),
    ("lengths: told for ever", "host/cuda/findings.cpp", "if (found != 0) shared.store(0);", "", None),
    ("lengths: waiting for an event tells nothing", ORDER, "    findings_.report();\n", "", None),
    ("trainer: dropped recordings not counted", "host/train/step_recordings.cpp", "dropped_ += slot.used > 0 ? 1 : 0;", "", None),
]
