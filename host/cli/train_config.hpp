#pragma once
/// Everything `rondo train` can be told: by a JSON file (--config) and by flags of the same names, which win.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace rondo::cli {

struct TrainConfig {
    // Data.
    std::string task = "lm";
    std::string train, validation, test;
    std::string train_target, validation_target, test_target;
    double validation_fraction = 0.05, test_fraction = 0;
    std::string tokens = "characters", subword_model;
    std::int64_t vocabulary = 0;

    // Model.
    std::string model = "rnn";
    std::string cell = "lstm";
    std::int64_t hidden = 256;
    nlohmann::json layers = 2;
    std::int64_t embedding = 0, projection = 0;
    std::string biases = "two";
    bool peepholes = false, coupled = false, reset_before = false, tied = false, bidirectional = false;
    std::string pool = "mean", attention = "general", positions = "sinusoidal";
    std::int64_t heads = 4, feed_forward = 0, max_steps = 1024;
    std::string decoder = "luong", own_words = "drawn";
    double teacher_forcing = 1;
    std::int64_t teacher_forcing_steps = 1000;
    std::string softmax = "full";
    std::int64_t samples = 0;
    bool reverse_source = false;
    std::int64_t context = 24, horizon = 12, season = 12, difference = 0;
    std::string transform = "none";
    double cell_clip = 0;
    double dropout = 0;
    std::optional<double> input_dropout, output_dropout;
    bool dropout_per_sequence = false;
    double recurrent_dropout = 0, weight_dropout = 0, zoneout = 0, zoneout_cell = 0;
    std::string recurrent_clip = "none", dtype = "f32";
    std::string init = "standard";
    double init_range = 0.1, forget_bias = 0;
    std::int64_t seed = 1;

    // Training.
    std::int64_t batch = 32, window = 35, history = 0;
    std::string reduction = "mean", optimizer = "adam";
    double lr = 0.002, momentum = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
    bool nesterov = false, decay_biases = true;
    std::string schedule = "constant";
    double factor = 1, minimum = 0;
    std::int64_t every = 1, after = 0, warmup = 0, total = 0;
    std::string clip = "norm";
    double clip_limit = 5;
    std::int64_t max_skipped = 10;

    // When to stop, to evaluate, to save.
    std::int64_t epochs = 0, steps = 0;
    double minutes = 0;
    std::int64_t patience = 0, evaluate_every = 0, evaluation_batch = 0, evaluation_examples = 200;
    std::int64_t beam = 1, max_length = 100;
    double save_minutes = 10;
    std::int64_t log_every = 10, gradient_flow = 100;

    // Where.
    std::string out = "rondo-run", device = "auto";
    std::int64_t threads = 0;
    bool overwrite = false;
};

/// Whether a run that goes on from a checkpoint may be told another value.
enum class Fixed { no, yes };

/// Calls visit(name, field, fixed, help) for every field.
template <class Visit, class Config>
void visit_fields(Visit&& visit, Config& c) {
    using enum Fixed;
    visit(
        "task", c.task, yes,
        "lm: the next token of a text. classify: label<TAB>text a line. tag: word<TAB>tag a line, an empty one between "
        "sentences. seq2seq: source<TAB>target a line, or two files. ctc: text<TAB>transcript, or a .safetensors file. "
        "forecast: a CSV's last column");
    visit("train", c.train, no, "file to train on");
    visit("train_target", c.train_target, no, "seq2seq: the target side, where it is a file of its own");
    visit("validation_target", c.validation_target, no, "seq2seq: likewise");
    visit("test_target", c.test_target, no, "seq2seq: likewise");
    visit("validation", c.validation, no,
          "file to validate on; without one, the end of a training text or some of the examples are used");
    visit("test", c.test, no, "text file to test on when training has ended");
    visit("validation_fraction", c.validation_fraction, yes, "of the training text, where there is no validation file");
    visit("test_fraction", c.test_fraction, yes, "of the training text, where there is no test file");
    visit("tokens", c.tokens, yes,
          "what is predicted: bytes, characters (UTF-8), words, or subwords (by SentencePiece)");
    visit("subword_model", c.subword_model, yes,
          "subwords: a SentencePiece .model file; without one a model is trained");
    visit("vocabulary", c.vocabulary, yes, "at most so many tokens, the most frequent; 0 for all (subwords: 8000)");

    visit("model", c.model, yes, "rnn or transformer");
    visit("cell", c.cell, yes, "lstm, gru, rnn_tanh, rnn_relu, slstm, mingru, minlstm, lnlstm or lngru");
    visit("hidden", c.hidden, yes, "width of a layer");
    visit(
        "layers", c.layers, yes,
        "how many, or a JSON list with one object a layer; its fields (cell, hidden, projection, biases, peepholes, "
        "coupled, reset_before, cell_clip, dropout, dropout_per_sequence, recurrent_dropout, weight_dropout, zoneout, "
        "zoneout_cell) default to those of the whole");
    visit("embedding", c.embedding, yes, "width; 0 for that of the first layer");
    visit("projection", c.projection, yes, "lstm: width h is projected to; 0 for none");
    visit("biases", c.biases, yes, "none, one or two");
    visit("peepholes", c.peepholes, yes, "lstm: gates see c");
    visit("coupled", c.coupled, yes, "lstm: f = 1 - i");
    visit("reset_before", c.reset_before, yes, "gru: reset gate before the product");
    visit("bidirectional", c.bidirectional, yes, "rnn: layers read both ways (of seq2seq the encoder's)");
    visit("pool", c.pool, yes, "classify, forecast: one vector from all steps: last, mean or max");
    visit("attention", c.attention, yes, "seq2seq with rnn: none, dot, general or additive");
    visit("decoder", c.decoder, yes, "seq2seq with rnn: how attention takes part: luong, input_feeding or bahdanau");
    visit("teacher_forcing", c.teacher_forcing, yes,
          "seq2seq with rnn: share of the words read that are the target's, in the end; the rest are its own");
    visit("teacher_forcing_steps", c.teacher_forcing_steps, yes, "updates over which the share falls from 1");
    visit("own_words", c.own_words, yes, "which these are: drawn (from its distribution) or likeliest");
    visit("reverse_source", c.reverse_source, yes, "seq2seq: the source is read backwards");
    visit("heads", c.heads, yes, "transformer: of attention");
    visit("feed_forward", c.feed_forward, yes, "transformer: width inside a block; 0 for 4 times hidden");
    visit("positions", c.positions, yes, "transformer: sinusoidal or learned");
    visit("max_steps", c.max_steps, yes, "transformer: most steps of a sequence");
    visit("context", c.context, yes, "forecast: numbers that are looked back on");
    visit("horizon", c.horizon, yes, "forecast: numbers that are forecast");
    visit("season", c.season, yes, "forecast: after so many the naive forecast repeats the series");
    visit("difference", c.difference, yes,
          "forecast: the model reads differences from so many numbers before; 0: the numbers themselves");
    visit("transform", c.transform, yes, "forecast: what the model reads of the numbers: none, log or sqrt");
    visit("tied", c.tied, yes, "output weights are the embedding");
    visit("softmax", c.softmax, no, "lm: full, or sampled: while it trains, over classes that are drawn");
    visit("samples", c.samples, no, "lm: classes that are drawn for a sampled softmax");
    visit("cell_clip", c.cell_clip, yes, "lstm: limit of |c|; 0 for none");
    visit("dropout", c.dropout, yes, "rate on the embedding, between layers and on the last layer's output");
    visit("input_dropout", c.input_dropout, yes, "rate on the embedding, where it differs");
    visit("output_dropout", c.output_dropout, yes, "rate on the last layer's output, where it differs");
    visit("dropout_per_sequence", c.dropout_per_sequence, yes, "one mask for all steps of a window");
    visit("recurrent_dropout", c.recurrent_dropout, yes, "rate of h in its own product, one mask for all steps");
    visit("weight_dropout", c.weight_dropout, yes,
          "rate of the recurrent weights, one mask for all steps (DropConnect)");
    visit("zoneout", c.zoneout, yes, "rate at which an element of h stays as it was for a step");
    visit("zoneout_cell", c.zoneout_cell, yes, "lstm: the same of c");
    visit("recurrent_clip", c.recurrent_clip, yes, "of the gradient from step to step: none, value:LIMIT, norm:LIMIT");
    visit("dtype", c.dtype, yes, "f32, f64, tf32, bf16 or f16");
    visit("init", c.init, yes, "standard (PyTorch's) or uniform (all parameters in +-init_range)");
    visit("init_range", c.init_range, yes, "of uniform");
    visit("forget_bias", c.forget_bias, yes, "initial bias of the forget gates; 0 leaves it to init");
    visit("seed", c.seed, yes, "of initial values and dropout");

    visit("batch", c.batch, yes, "streams the text is cut into and that are read side by side");
    visit("window", c.window, yes, "steps between two updates (k1)");
    visit("history", c.history, yes, "steps a gradient flows back (k2 >= k1); 0 for window");
    visit("reduction", c.reduction, yes, "of the loss: mean, sum, or mean_of_batch (summed over steps)");
    visit("optimizer", c.optimizer, yes, "sgd, adam or adamw");
    visit("lr", c.lr, no, "learning rate");
    visit("momentum", c.momentum, yes, "sgd");
    visit("nesterov", c.nesterov, yes, "sgd with momentum");
    visit("beta1", c.beta1, no, "adam, adamw");
    visit("beta2", c.beta2, no, "adam, adamw");
    visit("epsilon", c.epsilon, no, "adam, adamw");
    visit("weight_decay", c.weight_decay, no, "L2 (sgd, adam) or decoupled (adamw)");
    visit("decay_biases", c.decay_biases, no, "weight decay acts on biases too");
    visit("schedule", c.schedule, no, "of the learning rate: constant, steps, exponential or cosine");
    visit("factor", c.factor, no, "steps, exponential: what the rate is multiplied by");
    visit("every", c.every, no, "steps: so many epochs");
    visit("after", c.after, no, "exponential: epochs at the full rate");
    visit("warmup", c.warmup, no, "steps in which the rate rises from 0");
    visit("total", c.total, no, "cosine: steps to the minimum; 0 for --steps");
    visit("minimum", c.minimum, no, "cosine: the rate in the end");
    visit("clip", c.clip, no, "of the gradient: none, norm (of all), tensor_norm or value");
    visit("clip_limit", c.clip_limit, no, "its limit");
    visit("max_skipped", c.max_skipped, no, "give up after so many steps in a row without a finite gradient");

    visit("epochs", c.epochs, no, "stop after so many, in all; 0 for no limit");
    visit("steps", c.steps, no, "stop after so many updates, in all; 0 for no limit");
    visit("minutes", c.minutes, no, "stop after so many, from this start; 0 for no limit");
    visit("patience", c.patience, no, "stop after so many evaluations without a better one; 0 for never");
    visit("evaluate_every", c.evaluate_every, no, "steps; 0 for after each epoch");
    visit("evaluation_batch", c.evaluation_batch, no,
          "streams an evaluated text is cut into; 1 reads it as one, 0 takes one for every 1000 tokens, at most 32");
    visit("evaluation_examples", c.evaluation_examples, no, "seq2seq: so many are translated at an evaluation");
    visit("beam", c.beam, no, "ctc: width of the search at an evaluation; 1: greedy");
    visit("max_length", c.max_length, no, "seq2seq: most tokens of a translation");
    visit("save_minutes", c.save_minutes, no, "also save so often between evaluations; 0 for never");
    visit("log_every", c.log_every, no, "steps a row of log.csv is the mean of");
    visit("gradient_flow", c.gradient_flow, no,
          "steps after which gradients and gates are looked at, for warnings, CSV files and a page; 0 for never");

    visit("out", c.out, no, "folder for checkpoints, logs and plot; made where it is missing");
    visit("device", c.device, no, "auto, cpu or cuda");
    visit("threads", c.threads, no, "of the cpu; 0 for one a core");
    visit("overwrite", c.overwrite, no, "train anew where the folder holds a run already");
}

/// Sets fields by a JSON object. Throws Error naming an unknown key, or a value of the wrong type.
void apply_json(TrainConfig& config, const nlohmann::json& object);
/// Sets one field by the text of its flag.
void apply_flag(TrainConfig& config, const std::string& name, const std::string& text);

nlohmann::ordered_json to_json(const TrainConfig& config);

/// Where a field is read, in words, if this configuration is not of that kind; null where it is read.
const char* where_read(const TrainConfig& config, std::string_view name);

/// Throws Error naming the first field that differs and must not.
void check_resumable(const TrainConfig& before, const TrainConfig& now);

/// Refuses what is wrong whatever the text and the model; these are checked when they are built.
void validate(const TrainConfig& config);

}  // namespace rondo::cli
