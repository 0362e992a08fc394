/// Text from a language model.
#include "rondo/generator.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "model/device_buffer.hpp"
#include "rondo/convert.hpp"
#include "train/step_recordings.hpp"

namespace rondo {
namespace {

/// Tokens that are read at once: two extents, this and one, serve for a prompt of any length.
constexpr std::size_t kPiece = 64;

/// Throws Error unless every causal attention remembers the context.
void check_memory(const NetworkSpec& spec, std::int64_t context) {
    bool remembers = false;
    for (const Node& node : spec.nodes) {
        const auto* attention = std::get_if<AttentionSpec>(&node.module);
        if (!attention || !attention->causal) continue;
        remembers = true;
        require(context >= 1 && context <= attention->memory, "context", context,
                detail::concat("must be at least 1 and at most the memory of node ", node.name, ", ", attention->memory,
                               " (with_memory)"));
    }
    require(remembers || context == 0, "context", context, "must be 0 for a network without causal attention");
}

}  // namespace

struct Generator::Impl {
    Impl(Network& of, SamplingSpec sampling, Stream on, std::string_view drawn_from, std::int64_t memory,
         std::int64_t texts)
        : network(of),
          spec(sampling),
          stream(on),
          value(drawn_from),
          context(memory),
          batch(texts),
          state(of.make_state(texts)),
          inputs(of.spec().inputs.size()),
          random(of.device(), kRecorded * static_cast<std::int64_t>(sizeof(RandomState))),
          drawn(of.device(), kRecorded * texts * size_of(DType::i32)),
          recordings(of.device()) {}

    Network& network;
    const SamplingSpec spec;
    const Stream stream;
    const std::string value;
    const std::int64_t context, batch;
    NetworkState state;
    std::uint64_t draws = 0;  ///< of a text
    std::vector<Sequence> inputs;
    // On the device. Logits are a copy: the network's own live until its next forward, whoever asks for it. `random`,
    // `drawn`: of kRecorded draws; `written`: of all that were asked for.
    model::DeviceBuffer random, drawn, written, logits;
    train::StepRecordings recordings;
    DType dtype = DType::f32;
    std::int64_t classes = 0;            ///< of the next tokens' logits; 0: nothing was read yet
    std::vector<std::int32_t> tokens;    ///< what is remembered, where there is a context
    std::vector<std::int32_t> ids_read;  ///< scratch

    Backend& backend() const { return network.device().backend(); }
    std::int64_t logits_bytes() const { return batch * classes * size_of(dtype); }

    void read(std::span<const std::int32_t> ids);
    void keep(std::int64_t steps);
    void read_on(std::span<const std::int32_t> ids);
    void read_piece(std::span<const std::int32_t> ids);
    const std::byte* last_logits();
    void take_logits();

    std::span<const std::int32_t> next(std::int64_t count);
    std::span<const std::int32_t> write(std::int64_t count);
    std::span<const std::int32_t> draw_alone();
    void number_draws(std::int64_t count);
    void draw_and_read(std::int64_t count);
    void draw(const void* from, std::int64_t n, std::int32_t* fed);
    std::span<const std::int32_t> to_host(const model::DeviceBuffer& ids, std::int64_t count);
};

void Generator::Impl::read(std::span<const std::int32_t> ids) {
    require(std::ssize(ids) % batch == 0, "tokens", ids.size(),
            detail::concat("must be a multiple of ", batch, " texts"));
    if (ids.empty()) return;
    if (context == 0) {
        read_on(ids);
    } else {
        const auto most = static_cast<std::size_t>(context * batch);
        if (ids.size() >= most) {
            ids = ids.last(most);
            keep(0);
        }
        while (!ids.empty()) {
            if (tokens.size() == most) keep(context / 2);
            const auto next = ids.first(std::min(ids.size(), most - tokens.size()));
            read_on(next);
            tokens.insert(tokens.end(), next.begin(), next.end());
            ids = ids.subspan(next.size());
        }
    }
    take_logits();
}

/// The last `steps` tokens, as if they had come first.
void Generator::Impl::keep(std::int64_t steps) {
    tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(steps * batch));
    state.zero(stream);
    read_on(tokens);
}

void Generator::Impl::read_on(std::span<const std::int32_t> ids) {
    const auto width = static_cast<std::size_t>(batch);
    while (!ids.empty()) {
        const std::size_t count = ids.size() >= kPiece * width ? kPiece * width : width;
        read_piece(ids.first(count));
        ids = ids.subspan(count);
    }
}

void Generator::Impl::read_piece(std::span<const std::int32_t> ids) {
    const std::int64_t steps = std::ssize(ids) / batch;
    inputs[0].data = ConstView(ids.data(), {steps, batch});
    network.forward(inputs, Mode::inference, &state, stream);
    network.keep_state(steps, state, stream);
}

/// [B,classes] of the last forward.
const std::byte* Generator::Impl::last_logits() {
    const ConstView out = network.value(value);
    dtype = out.dtype;
    classes = out.shape[2];
    return static_cast<const std::byte*>(out.data) + (out.shape[0] - 1) * logits_bytes();
}

void Generator::Impl::take_logits() {
    const std::byte* const from = last_logits();
    if (logits_bytes() > logits.bytes()) logits = model::DeviceBuffer(network.device(), logits_bytes());
    backend().copy(logits.data(), from, static_cast<std::size_t>(logits_bytes()), stream);
}

/// Up to `count` steps of tokens, drawn and read.
std::span<const std::int32_t> Generator::Impl::next(std::int64_t count) {
    const std::int64_t room = context == 0 ? count : context - std::ssize(tokens) / batch;
    if (room == 0) {  // what is drawn now is drawn from what all of the context says, and then read behind half of it
        const std::span<const std::int32_t> ids = draw_alone();
        read(ids);
        return ids;
    }
    const std::span<const std::int32_t> ids = write(std::min(count, room));
    if (context > 0) tokens.insert(tokens.end(), ids.begin(), ids.end());
    return ids;
}

std::span<const std::int32_t> Generator::Impl::write(std::int64_t count) {
    const std::int64_t row = batch * size_of(DType::i32);
    if (count * row > written.bytes()) written = model::DeviceBuffer(network.device(), count * row);
    // What is fed here is never read, but refused where the network has no row for what may be drawn.
    ids_read.assign(static_cast<std::size_t>(batch), static_cast<std::int32_t>(classes - 1));
    inputs[0].data = ConstView(ids_read.data(), {1, batch});
    network.feed(inputs, Mode::inference, stream);
    network.prepare(stream);
    for (std::int64_t done = 0; done < count;) {
        // Of few kinds, so that each is soon recorded.
        const auto piece =
            static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(std::min(count - done, kRecorded))));
        number_draws(piece);
        recordings.run({.plan = network.plan_id(), .state = state.array().data, .steps = piece}, stream,
                       [&] { draw_and_read(piece); });
        backend().copy(written.data() + done * row, drawn.data(), static_cast<std::size_t>(piece * row), stream);
        done += piece;
    }
    return to_host(written, count);
}

std::span<const std::int32_t> Generator::Impl::draw_alone() {
    number_draws(1);
    draw(logits.data(), 0, nullptr);
    return to_host(drawn, 1);
}

void Generator::Impl::number_draws(std::int64_t count) {
    std::array<RandomState, kRecorded> states;
    for (std::size_t i = 0; i < states.size(); ++i) states[i] = {spec.seed, draws + i};
    backend().upload(random.data(), states.data(), static_cast<std::size_t>(count) * sizeof(RandomState), stream);
    draws += static_cast<std::uint64_t>(count);
}

/// Waits for them. Lives until the next call.
std::span<const std::int32_t> Generator::Impl::to_host(const model::DeviceBuffer& ids, std::int64_t count) {
    ids_read.resize(static_cast<std::size_t>(count * batch));
    backend().download(ids_read.data(), ids.data(), ids_read.size() * sizeof(std::int32_t), stream);
    backend().synchronize(stream);
    if (std::any_of(ids_read.begin(), ids_read.end(), [](std::int32_t id) { return id < 0; })) {
        classes = 0;  // what was read behind it is no text
        refuse(value, "nan", "must be numbers to draw from");
    }
    return ids_read;
}

/// Queues the work of so many tokens, none of which the host sees.
void Generator::Impl::draw_and_read(std::int64_t count) {
    auto* const fed = static_cast<std::int32_t*>(network.input(network.spec().inputs[0].name).data);
    const std::byte* from = logits.data();
    for (std::int64_t n = 0; n < count; ++n) {
        draw(from, n, fed);
        network.forward(&state, stream);
        network.keep_state(1, state, stream);
        from = last_logits();
    }
    take_logits();
}

void Generator::Impl::draw(const void* from, std::int64_t n, std::int32_t* fed) {
    Sample sample;
    sample.dtype = dtype;
    sample.rows = batch;
    sample.classes = classes;
    sample.logits = from;
    sample.ids = drawn.as<std::int32_t>() + n * batch;
    sample.fed = fed;
    sample.temperature = spec.temperature;
    sample.top_k = spec.top_k;
    sample.top_p = spec.top_p;
    sample.random = random.as<RandomState>() + n;
    backend().sample(sample, stream);
}

Generator::Generator(Network& network, SamplingSpec spec, Stream stream, std::string_view logits, std::int64_t context,
                     std::int64_t batch) {
    validate(spec);
    check_memory(network.spec(), context);
    require(batch >= 1, "batch", batch, "must be at least 1");
    const std::vector<InputSpec>& inputs = network.spec().inputs;
    require(!inputs.empty() && inputs[0].dtype == DType::i32, "inputs", inputs.size(),
            "must begin with token ids to generate");
    impl_ = std::make_unique<Impl>(network, spec, stream, logits, context, batch);
}
Generator::~Generator() = default;
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;

void Generator::reset() {
    impl_->state.zero(impl_->stream);
    impl_->classes = 0;
    impl_->tokens.clear();
}

void Generator::feed(std::span<const std::int32_t> tokens) { impl_->read(tokens); }

std::vector<std::int32_t> Generator::next(std::int64_t count) {
    Impl& m = *impl_;
    require(count >= 0, "count", count, "must not be negative");
    if (m.classes == 0) throw Error(ErrorCode::state, "generator: feed at least one token before the first");
    std::vector<std::int32_t> ids;
    ids.reserve(static_cast<std::size_t>(count * m.batch));
    while (std::ssize(ids) < count * m.batch) {
        const std::span<const std::int32_t> more = m.next(count - std::ssize(ids) / m.batch);
        ids.insert(ids.end(), more.begin(), more.end());
    }
    return ids;
}

std::int32_t Generator::next() {
    require(impl_->batch == 1, "batch", impl_->batch, "must be 1 for one token; next(1) draws one a text");
    return next(1)[0];
}

std::vector<double> Generator::logits() const {
    const Impl& m = *impl_;
    std::vector<std::byte> raw(static_cast<std::size_t>(m.logits_bytes()));
    m.backend().download(raw.data(), m.logits.data(), raw.size(), m.stream);
    m.backend().synchronize(m.stream);
    std::vector<double> values(static_cast<std::size_t>(m.batch * m.classes));
    convert_elements(DType::f64, values.data(), m.dtype, raw.data(), m.batch * m.classes);
    return values;
}

}  // namespace rondo
