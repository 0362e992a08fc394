#include "lane/standin/queue.hpp"

#include <algorithm>
#include <map>

#include "lane/emulator/schedule.hpp"
#include "lane/standin/machine.hpp"
#include "lane/standin/memory.hpp"
#include "lane/standin/streams.hpp"

namespace rondo::lane {
namespace {

std::vector<Work> pending;  // in the order of asking

bool can_run(const Operation& work) {
    return std::all_of(work.after.begin(), work.after.end(), [](const Work& before) { return before->done; });
}

/// The next one by the schedule. There is always one, since work comes only after older work.
std::size_t choose() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < pending.size(); ++i)
        if (can_run(*pending[i])) ready.push_back(i);
    switch (schedule().order) {
        case Order::forward:
            return ready.front();
        case Order::reverse:
            return ready.back();
        case Order::random:
            break;
    }
    return ready[random_below(ready.size())];
}

void run_chosen() {
    const std::size_t position = choose();
    const Work work = pending[position];
    pending.erase(pending.begin() + std::ptrdiff_t(position));
    work->done = true;
    work->after.clear();
    const std::function<void()> body = std::move(work->run);
    work->run = nullptr;
    if (body) body();
}

/// What a new operation of a stream comes after: the stream's own work, and the legacy stream's rules.
std::vector<Work> predecessors(Stream& stream) {
    std::vector<Work> list;
    if (stream.tail) list.push_back(stream.tail);
    if (stream.legacy) {
        for (Stream* other : live_streams())
            if (other->device == stream.device && other->blocking && other->tail) list.push_back(other->tail);
    } else if (const Work& legacy = legacy_stream(stream.device).tail; stream.blocking && legacy) {
        list.push_back(legacy);
    }
    return list;
}

void refuse_legacy_while_capturing(const Stream& stream) {
    if (!stream.legacy) return;
    for (Stream* other : live_streams()) {
        if (other->device != stream.device || !other->capture || !other->blocking) continue;
        other->capture->broken = true;
        fail(cudaErrorStreamCaptureImplicit);
    }
}

}  // namespace

Work enqueue_work(Stream& stream, std::string name, std::function<void()> run) {
    refuse_legacy_while_capturing(stream);
    auto work = std::make_shared<Operation>();
    work->name = std::move(name);
    work->run = std::move(run);
    if (stream.capture) {
        need(!stream.capture->broken, cudaErrorStreamCaptureInvalidated);
        work->after = stream.capture_tail;
        work->capture = stream.capture;
        stream.capture->graph->nodes.push_back(work);
        stream.capture_tail = {work};
        return work;
    }
    work->after = predecessors(stream);
    pending.push_back(work);
    stream.tail = work;
    return work;
}

void wait_for(Stream& stream, const Work& work) {
    if (!work->capture) {
        need(!stream.capture, cudaErrorStreamCaptureIsolation);
        if (work->done) return;
        enqueue_work(stream, "wait", nullptr)->after.push_back(work);
        return;
    }
    // Waiting for captured work draws a stream into the capture, while it lasts.
    need(work->capture->graph != nullptr, cudaErrorCapturedEvent);
    if (!stream.capture) {
        stream.capture = work->capture;
        stream.capture_tail.clear();
    }
    need(stream.capture == work->capture, cudaErrorStreamCaptureMerge);
    stream.capture_tail.push_back(work);
}

std::vector<Work> tails_of(Stream& stream) { return stream.capture ? stream.capture_tail : predecessors(stream); }

void run_until_done(const Work& work) {
    const DeviceWorks device;
    while (!work->done) run_chosen();
}

void run_all() {
    const DeviceWorks device;
    while (!pending.empty()) run_chosen();
}

void run_one() {
    if (pending.empty()) return;
    const DeviceWorks device;
    run_chosen();
}

void abandon_all() {
    for (const Work& work : pending) {
        work->done = true;
        work->after.clear();
    }
    pending.clear();
}

void refuse_while_capturing(const Stream* stream) {
    for (Stream* other : live_streams()) {
        if (!other->capture) continue;
        if (other != stream && other->capture->mode == cudaStreamCaptureModeRelaxed) continue;
        other->capture->broken = true;
        fail(cudaErrorStreamCaptureUnsupported);
    }
}

void enqueue_graph(Stream& stream, Graph& graph) {
    std::vector<Work> before = tails_of(stream);
    if (graph.last_launch) before.push_back(graph.last_launch);
    std::map<const Operation*, Work> copies;
    std::vector<Work> all;
    for (const Work& node : graph.nodes) {
        auto copy = std::make_shared<Operation>();
        copy->name = node->name;
        copy->run = node->run;
        for (const Work& earlier : node->after) copy->after.push_back(copies.at(earlier.get()));
        if (copy->after.empty()) copy->after = before;
        copies.emplace(node.get(), copy);
        pending.push_back(copy);
        all.push_back(std::move(copy));
    }
    const Work end = enqueue_work(stream, "end of a graph", nullptr);
    end->after.insert(end->after.end(), all.begin(), all.end());
    graph.last_launch = end;
}

}  // namespace rondo::lane
