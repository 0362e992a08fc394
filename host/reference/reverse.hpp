#pragma once
/// A scalar that remembers how it was made, so that one sweep backward gives the derivative by every variable.
///
///     Tape<double> tape;
///     auto x = tape.variable(2.0);
///     auto y = x * x + exp(x);
///     tape.seed(y, 1.0);
///     tape.sweep();
///     tape.gradient(x);   // 2x + e^x
#include <cmath>
#include <cstdint>
#include <vector>

namespace rondo::reference {

template <class Real>
class Tape;

/// A value and its place on a tape. Without a tape it is a constant, and nothing made of constants is recorded.
template <class Real>
class Reverse {
public:
    Reverse() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): a constant stands wherever a number does.
    Reverse(Real value) : value_(value) {}

    Real value() const { return value_; }

private:
    friend class Tape<Real>;
    Reverse(Real value, Tape<Real>* tape, std::int32_t index) : value_(value), tape_(tape), index_(index) {}

    Real value_ = 0;
    Tape<Real>* tape_ = nullptr;
    std::int32_t index_ = -1;
};

/// The operations in the order they happened, each with its derivatives by its (at most two) operands.
/// Not thread-safe; must outlive and not be moved under the scalars that were made on it.
template <class Real>
class Tape {
public:
    Tape() = default;
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    Reverse<Real> variable(Real value) { return record(value, -1, 0, -1, 0); }

    /// A function's result: its value and its derivatives at its operands.
    static Reverse<Real> result(Real value, const Reverse<Real>& a, Real da) {
        if (!a.tape_) return value;
        return a.tape_->record(value, a.index_, da, -1, 0);
    }
    static Reverse<Real> result(Real value, const Reverse<Real>& a, Real da, const Reverse<Real>& b, Real db) {
        Tape* tape = a.tape_ ? a.tape_ : b.tape_;
        if (!tape) return value;
        return tape->record(value, a.index_, da, b.index_, db);
    }

    /// Adds `amount` to the derivative of the sought sum by x. Constants are ignored.
    void seed(const Reverse<Real>& x, Real amount) {
        adjoints_.resize(nodes_.size());
        if (x.tape_) adjoints_[static_cast<std::size_t>(x.index_)] += amount;
    }

    /// Carries the seeds back to the variables. Once a tape.
    void sweep() {
        adjoints_.resize(nodes_.size());
        for (std::size_t i = nodes_.size(); i-- > 0;) {
            const Node& n = nodes_[i];
            const Real adjoint = adjoints_[i];
            if (n.a >= 0) adjoints_[static_cast<std::size_t>(n.a)] += adjoint * n.da;
            if (n.b >= 0) adjoints_[static_cast<std::size_t>(n.b)] += adjoint * n.db;
        }
    }

    /// After sweep: the derivative by x, 0 for a constant.
    Real gradient(const Reverse<Real>& x) const {
        return x.tape_ ? adjoints_[static_cast<std::size_t>(x.index_)] : Real(0);
    }

private:
    struct Node {
        std::int32_t a, b;  // operands, -1 for a constant
        Real da, db;
    };

    Reverse<Real> record(Real value, std::int32_t a, Real da, std::int32_t b, Real db) {
        nodes_.push_back({a, b, da, db});
        return {value, this, static_cast<std::int32_t>(nodes_.size() - 1)};
    }

    std::vector<Node> nodes_;
    std::vector<Real> adjoints_;
};

template <class Real>
Real real_part(const Reverse<Real>& x) {
    return x.value();
}

template <class Real>
Reverse<Real> operator+(const Reverse<Real>& a, const Reverse<Real>& b) {
    return Tape<Real>::result(a.value() + b.value(), a, Real(1), b, Real(1));
}
template <class Real>
Reverse<Real> operator-(const Reverse<Real>& a, const Reverse<Real>& b) {
    return Tape<Real>::result(a.value() - b.value(), a, Real(1), b, Real(-1));
}
template <class Real>
Reverse<Real> operator-(const Reverse<Real>& a) {
    return Tape<Real>::result(-a.value(), a, Real(-1));
}
template <class Real>
Reverse<Real> operator*(const Reverse<Real>& a, const Reverse<Real>& b) {
    return Tape<Real>::result(a.value() * b.value(), a, b.value(), b, a.value());
}
template <class Real>
Reverse<Real> operator/(const Reverse<Real>& a, const Reverse<Real>& b) {
    const Real quotient = a.value() / b.value();
    return Tape<Real>::result(quotient, a, Real(1) / b.value(), b, -quotient / b.value());
}
template <class Real>
Reverse<Real> exp(const Reverse<Real>& a) {
    const Real e = std::exp(a.value());
    return Tape<Real>::result(e, a, e);
}
template <class Real>
Reverse<Real> log(const Reverse<Real>& a) {
    return Tape<Real>::result(std::log(a.value()), a, Real(1) / a.value());
}
template <class Real>
Reverse<Real> sqrt(const Reverse<Real>& a) {
    const Real root = std::sqrt(a.value());
    return Tape<Real>::result(root, a, Real(0.5) / root);
}
template <class Real>
Reverse<Real> tanh(const Reverse<Real>& a) {
    const Real y = std::tanh(a.value());
    return Tape<Real>::result(y, a, Real(1) - y * y);
}

}  // namespace rondo::reference
