#pragma once
/// Counts what operator new is asked for. A program that uses this has its operator new and delete replaced; not so under
/// the thread sanitizer, which brings its own: there the count is always 0.
namespace rondo::test {

void start_counting_allocations();
int stop_counting_allocations();

/// How often f, on whichever threads, asked operator new for memory.
template <class F>
int allocations_of(F f) {
    start_counting_allocations();
    f();
    return stop_counting_allocations();
}

}  // namespace rondo::test
