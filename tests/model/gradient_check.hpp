#pragma once
/// A network's gradients against differences of its loss, in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "rondo/network.hpp"
#include "support/random.hpp"

namespace rondo::test {

inline constexpr Stream kStream{};

/// A batch that owns its numbers.
class Feed {
public:
    Feed& ids(Shape shape, std::vector<std::int32_t> values, std::vector<std::int64_t> lengths = {}) {
        entries_.push_back({{}, std::move(values), std::move(lengths), shape, true, true});
        return *this;
    }
    Feed& numbers(Shape shape, std::vector<double> values, std::vector<std::int64_t> lengths = {}) {
        entries_.push_back({std::move(values), {}, std::move(lengths), shape, false, true});
        return *this;
    }
    Feed& absent() {
        entries_.push_back({{}, {}, {}, {}, true, false});
        return *this;
    }

    std::vector<double>& numbers_of(std::size_t i) { return entries_[i].numbers; }
    std::vector<std::int32_t>& ids_of(std::size_t i) { return entries_[i].ids; }

    std::vector<Sequence> inputs() const {
        std::vector<Sequence> list;
        for (const Entry& e : entries_) {
            Sequence s;
            if (e.present && e.is_ids) s.data = ConstView(e.ids.data(), e.shape);
            if (e.present && !e.is_ids) s.data = ConstView(e.numbers.data(), e.shape);
            s.lengths = e.lengths;
            list.push_back(s);
        }
        return list;
    }

private:
    struct Entry {
        std::vector<double> numbers;
        std::vector<std::int32_t> ids;
        std::vector<std::int64_t> lengths;
        Shape shape;
        bool is_ids, present;
    };
    std::vector<Entry> entries_;
};

inline std::vector<std::int32_t> random_ids(std::uint64_t seed, std::int64_t count, std::int64_t classes) {
    Random random(seed);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    for (auto& id : ids) id = static_cast<std::int32_t>(random.below(classes));
    return ids;
}

/// The reduced loss of a training forward.
inline double loss_of(Network& network, const Feed& feed, Reduction reduction, std::int64_t begin = 0,
                      const NetworkState* from = nullptr) {
    network.forward(feed.inputs(), Mode::training, from, kStream);
    network.loss(reduction, begin, kStream);
    return network.read_loss(kStream).value;
}

/// (8(f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h: exact to h^4.
template <class F>
double difference(double& x, F f) {
    constexpr double h = 2e-3;
    const double at = x;
    const auto value = [&](double d) {
        x = at + d;
        return f();
    };
    const double slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h);
    x = at;
    return slope;
}

/// Every element of every parameter (at most `most` a tensor, evenly spread).
inline void check_parameter_gradients(Network& network, const Feed& feed, Reduction reduction, std::int64_t begin = 0,
                                      const NetworkState* from = nullptr, double tolerance = 2e-9,
                                      std::int64_t most = 24) {
    loss_of(network, feed, reduction, begin, from);
    network.backward(false, kStream);
    const std::vector<HostTensor> gradients = network.read_gradients(kStream);
    std::vector<HostTensor> parameters = network.read_parameters(kStream);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
        const auto values = parameters[p].as<double>();
        const auto exact = gradients[p].as<double>();
        double largest = 0;
        for (double g : exact) largest = std::max(largest, std::fabs(g));
        const std::size_t step = std::max<std::size_t>(1, values.size() / static_cast<std::size_t>(most));
        for (std::size_t i = 0; i < values.size(); i += step) {
            const double slope = difference(values[i], [&] {
                network.write_parameters(parameters, kStream);
                return loss_of(network, feed, reduction, begin, from);
            });
            ASSERT_NEAR(exact[i], slope, tolerance * (1 + largest)) << parameters[p].name << "[" << i << "]";
        }
    }
    network.write_parameters(parameters, kStream);
}

/// Every element of an input that asks for its gradient.
inline void check_input_gradient(Network& network, Feed& feed, std::size_t input, Reduction reduction,
                                 double tolerance = 2e-9) {
    loss_of(network, feed, reduction);
    network.backward(false, kStream);
    const HostTensor gradient = network.read_gradient(network.spec().inputs[input].name, kStream);
    std::vector<double>& values = feed.numbers_of(input);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double slope = difference(values[i], [&] { return loss_of(network, feed, reduction); });
        ASSERT_NEAR(gradient.as<double>()[i], slope, tolerance) << network.spec().inputs[input].name << "[" << i << "]";
    }
}

inline double largest_gradient(const std::vector<HostTensor>& gradients, std::string_view name) {
    double largest = 0;
    for (double g : find(gradients, name).as<double>()) largest = std::max(largest, std::fabs(g));
    return largest;
}

}  // namespace rondo::test
