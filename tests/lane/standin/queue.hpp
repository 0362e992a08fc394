#pragma once
/// Work that has been asked for and not been done. An operation runs after those it names; which of the ones that could
/// run comes next is the schedule's choice, and none runs until the host has to wait for it.
#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rondo::lane {

struct Capture;

struct Operation {
    std::string name;
    std::function<void()> run;  ///< may be empty: a place to wait for
    std::vector<std::shared_ptr<Operation>> after;
    std::shared_ptr<Capture> capture;  ///< null: work of a stream; else a node of a graph
    bool done = false;
};
using Work = std::shared_ptr<Operation>;

/// A graph while it is recorded, and as it is kept.
struct Graph {
    std::vector<Work> nodes;  ///< in an order in which each comes after those it names
    Work last_launch;         ///< its end: launches of one graph follow each other
};
struct Capture {
    cudaStream_t origin = nullptr;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
    std::shared_ptr<Graph> graph;  ///< null once it has ended
    bool broken = false;
};

struct Stream {
    int device = 0;
    bool legacy = false;   ///< the device's default stream
    bool blocking = true;  ///< waits for the legacy stream and is waited for by it
    Work tail;             ///< the newest work
    std::shared_ptr<Capture> capture;
    std::vector<Work> capture_tail;  ///< what the next node comes after
};

struct Event {
    int device = 0;
    Work recorded;
    std::shared_ptr<double> moment;  ///< when the record was reached, in milliseconds
};

/// The stream behind a handle, null being the current device's legacy one. Throws Status.
Stream& stream_of(cudaStream_t handle);

/// Appends work to a stream, or to the graph that is recorded from it. Throws Status.
Work enqueue_work(Stream& stream, std::string name, std::function<void()> run);
/// What follows in `stream` comes after `work` as well.
void wait_for(Stream& stream, const Work& work);
/// The stream's next work comes after all that is in it so far.
std::vector<Work> tails_of(Stream& stream);

/// Runs until that is done. Whatever else could run may run as well.
void run_until_done(const Work& work);
void run_all();
/// Runs one operation, if there is one that can: what a host that keeps asking brings about.
void run_one();
/// Forgets what is queued.
void abandon_all();

/// An error while any stream is captured in a mode that forbids calls with effects beyond it, or that stream itself.
void refuse_while_capturing(const Stream* stream = nullptr);

/// Puts a graph into a stream, as work of its own.
void enqueue_graph(Stream& stream, Graph& graph);

}  // namespace rondo::lane
