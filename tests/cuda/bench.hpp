#pragma once
/// The arrays of one operation on one device, so that the same lines run it on the GPU in any type and, from the same
/// rounded inputs, on the CPU in double, whose operations are proved by themselves (tests/model).
#include <list>
#include <rondo/convert.hpp>

#include "cuda/operations.hpp"
#include "support/compare.hpp"

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

/// What an operation wrote; sums: in what the type accumulates in.
struct Written {
    std::string name;
    Tensor values;
    bool sums = false;

    bool operator==(const Written&) const = default;
};
using WrittenList = std::vector<Written>;

/// run(bench, draw) on the GPU in `type`, and again for the same bits. Its outputs are judged by the design's proof rules:
/// 2 in double, else 5 over all draws, where the plain algorithm is the CPU's in f32, rounded to what is stored.
template <class Run>
void expect_like_cpu(const Device& gpu, DType type, int draws, const std::string& what, const Run& run) {
    const Device cpu = Device::cpu(1);
    std::vector<StorageError> errors;
    WrittenList out;
    for (int draw = 0; draw < draws; ++draw) {
        Bench on_gpu(gpu, type), again(gpu, type), exact(cpu, DType::f64), plain(cpu, DType::f32);
        out = run(on_gpu, draw);
        EXPECT_TRUE(on_gpu.intact()) << what << " in " << type;
        if (draw == 0) EXPECT_EQ(run(again, draw), out) << what << " in " << type << ": other bits";
        WrittenList ref = run(exact, draw), naive = type == DType::f64 ? ref : run(plain, draw);
        errors.resize(out.size());
        for (std::size_t i = 0; i < out.size(); ++i) {
            ASSERT_EQ(out[i].values.size(), ref[i].values.size());
            if (!ref[i].sums) naive[i].values = rounded(type, naive[i].values);
            for (std::size_t e = 0; e < ref[i].values.size(); ++e)
                if (std::isinf(ref[i].values[e]) && out[i].values[e] == ref[i].values[e])  // the log of nothing
                    out[i].values[e] = ref[i].values[e] = naive[i].values[e] = 0;
            if (type == DType::f64)
                EXPECT_LE(error_ratio(out[i].values, ref[i].values, kDouble), 1) << what << ": " << out[i].name;
            errors[i].take(out[i].values, naive[i].values, ref[i].values);
        }
    }
    for (std::size_t i = 0; i < out.size() && type != DType::f64; ++i)
        EXPECT_LE(errors[i].ratio(unit_roundoff(out[i].sums ? accumulator_of(type) : type)), 1)
            << what << " in " << type << ": " << out[i].name;
}

}  // namespace rondo::test
