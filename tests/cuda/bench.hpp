#pragma once
/// The arrays of one operation on one device, so that the same lines run it on the GPU in any type and, from the same
/// rounded inputs, on the CPU in double, whose operations are proved by themselves (tests/model).
#include <list>
#include <rondo/convert.hpp>

#include "cuda/operations.hpp"

namespace rondo::test {

/// Values as the type holds them.
inline Tensor rounded(DType type, const Tensor& values) {
    std::vector<std::uint64_t> narrow(values.size());  // room for any type
    Tensor out(values.size());
    const auto count = static_cast<std::int64_t>(values.size());
    convert_elements(type, narrow.data(), DType::f64, values.data(), count);
    convert_elements(DType::f64, out.data(), type, narrow.data(), count);
    return out;
}

class Bench {
public:
    Bench(Device device, DType storage)
        : type(storage), sum_type(accumulator_of(storage)), device_(std::move(device)) {}

    const DType type, sum_type;
    Backend& backend() const { return device_.backend(); }

    /// Null where there are no values.
    void* put_as(DType as, const Tensor& values, Alignment alignment = Alignment::cache_line) {
        if (values.empty()) return nullptr;
        void* const p = make_as(as, static_cast<std::int64_t>(values.size()), alignment);
        memory_.back().put(values);
        return p;
    }
    void* put(const Tensor& values, Alignment alignment = Alignment::cache_line) {
        return put_as(type, values, alignment);
    }
    void* put_sums(const Tensor& values) { return put_as(sum_type, values, Alignment::element); }
    /// Poisoned with NaN.
    void* make_as(DType as, std::int64_t size, Alignment alignment = Alignment::cache_line) {
        return memory_.emplace_back(device_, as, size, alignment).data();
    }
    void* make(std::int64_t size, Alignment alignment = Alignment::cache_line) {
        return make_as(type, size, alignment);
    }
    void* make_sums(std::int64_t size) { return make_as(sum_type, size, Alignment::element); }
    /// Null for none.
    const std::int64_t* lengths(const std::vector<std::int64_t>& values) {
        return static_cast<const std::int64_t*>(put_as(DType::i64, {values.begin(), values.end()}));
    }
    std::int32_t* ids(const std::vector<std::int32_t>& values) {
        void* const p = make_as(DType::i64, static_cast<std::int64_t>(values.size() + 1) / 2);
        backend().upload(p, values.data(), values.size() * sizeof(std::int32_t), kStream);
        backend().synchronize(kStream);
        return static_cast<std::int32_t*>(p);
    }

    Tensor get(const void* p) const { return of(p).get(); }
    std::vector<std::byte> bytes(const void* p) const { return of(p).bytes(); }
    /// Nothing was written outside of any array.
    bool intact() const {
        for (const Guarded& m : memory_)
            if (!m.intact()) return false;
        return true;
    }

private:
    const Guarded& of(const void* p) const {
        for (const Guarded& m : memory_)
            if (m.data() == p) return m;
        throw Error(ErrorCode::invalid_argument, "not of this bench");
    }

    Device device_;
    std::list<Guarded> memory_;
};

}  // namespace rondo::test
