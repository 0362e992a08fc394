// What the backend promises beside numbers: no allocation while it works, rows that do not see each other, its names.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "cpu/cpu_backend.hpp"
#include "rondo/device.hpp"
#include "support/allocations.hpp"
#include "support/isas.hpp"
#include "support/random.hpp"

namespace rondo {
namespace {

using cpu::Isa;

/// An LSTM layer at one step, forward and backward.
struct Lstm {
    static constexpr std::int64_t B = 37, H = 100;
    CellInfo info = cell_info("lstm", {});
    LoopLayer layer;
    std::vector<float> w, gates_packed, transposed, gates_x, h, c, next_h, next_c, saved, dgates_later, dh, dc, dgates;

    explicit Lstm(CpuBackend& backend) {
        test::Random random(11);
        auto fill = [&](std::vector<float>& x, std::int64_t n) {
            x.resize(static_cast<std::size_t>(n));
            for (float& v : x) v = static_cast<float>(random.uniform(0.25));
        };
        layer.kernels = backend.cell_kernels("lstm", {}, Precision::f32());
        layer.cell = &info;
        layer.batch = B;
        layer.hidden = layer.width = H;
        layer.recurrent_clip = {RecurrentClip::Kind::norm, 0.5};
        fill(w, 4 * H * H), fill(gates_x, B * 4 * H), fill(h, B * H), fill(c, B * H), fill(dgates_later, B * 4 * H);
        fill(dh, B * H), fill(dc, B * H), fill(next_h, B * H), fill(next_c, B * H), fill(saved, B * 4 * H);
        dgates.resize(gates_x.size());
        pack(backend, Packing::Kind::gates, gates_packed);
        pack(backend, Packing::Kind::transposed, transposed);
    }
    void pack(CpuBackend& backend, Packing::Kind kind, std::vector<float>& to) {
        const Packing packing{kind, DType::f32, 4, H, H};
        to.resize(static_cast<std::size_t>(backend.packed_bytes(packing)) / sizeof(float));
        backend.pack(packing, w.data(), to.data(), {});
    }
    StepForward forward() {
        StepForward s;
        s.layer = &layer;
        s.operand = s.state[0] = h.data();
        s.operand_stride = H;
        s.packed = gates_packed.data();
        s.gates_x = gates_x.data();
        s.state[1] = c.data();
        s.next[0] = next_h.data();
        s.next[1] = next_c.data();
        s.saved = saved.data();
        return s;
    }
    IncomingGradient incoming() {
        IncomingGradient g;
        g.carry = dh.data();
        g.dgates_h = dgates_later.data();
        g.dgates_stride = 4 * H;
        g.packed = transposed.data();
        g.later = 1;
        return g;
    }
    StepBackward backward() {
        StepBackward s;
        s.layer = &layer;
        s.dh = incoming();
        s.state[0] = h.data();
        s.state[1] = c.data();
        s.next[0] = next_h.data();
        s.next[1] = next_c.data();
        s.saved = saved.data();
        s.dnext[1] = dc.data();
        s.dstate[0] = dh.data();
        s.dstate[1] = dc.data();
        s.dgates_x = s.dgates_h = dgates.data();
        return s;
    }
    Product product() {
        Product p;
        p.m = B, p.n = 4 * H, p.k = H;
        p.a = h.data(), p.a_stride = H;
        p.b = w.data(), p.b_stride = H, p.b_transposed = true;
        p.c = gates_x.data(), p.c_stride = 4 * H;
        return p;
    }
};

TEST(CpuBackendThreads, WorkAllocatesNothing) {
    for (Isa isa : test::isas())
        for (int threads : {1, 3}) {
            CpuBackend backend(threads, isa);
            Lstm lstm(backend);
            const StepForward forward = lstm.forward();
            const StepBackward backward = lstm.backward();
            GradientOfH gradient{&lstm.layer, 0, lstm.incoming(), lstm.dh.data()};
            ProjectForward project;
            project.layer = &lstm.layer;
            project.unprojected = project.h = lstm.h.data();
            project.packed = lstm.gates_packed.data();  // the numbers do not matter
            project.next = lstm.next_h.data();
            Product product = lstm.product(), few = product;
            few.m = 2;
            EXPECT_EQ(test::allocations_of([&] {
                          backend.step_forward(forward, {});
                          backend.project_forward(project, {});
                          backend.step_backward(backward, {});
                          backend.gradient_of_h(gradient, {});
                          backend.product(product, {});
                          backend.product(few, {});
                          backend.column_sums(DType::f32, lstm.h.data(), lstm.w.data(), 400, 100, 100, true, {});
                          backend.mask_rows(DType::f32, lstm.h.data(), lstm.c.data(), 1, Lstm::B, Lstm::H, nullptr, {});
                          backend.pack({Packing::Kind::gates, DType::f32, 4, Lstm::H, Lstm::H}, lstm.w.data(),
                                       lstm.gates_packed.data(), {});
                      }),
                      0);
        }
}

// A row's bits do not depend on what the other rows hold.
TEST(CpuBackend, RowsAreIndependent) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (Isa isa : test::isas()) {
        CpuBackend backend(1, isa);
        for (std::int64_t row : {0, 7, 36}) {
            auto run = [&](bool poison) {
                Lstm lstm(backend);
                for (auto* x : {&lstm.h, &lstm.c, &lstm.dh, &lstm.dc, &lstm.gates_x, &lstm.dgates_later})
                    for (std::size_t i = 0; i < x->size(); ++i)
                        if (poison && static_cast<std::int64_t>(i / (x->size() / Lstm::B)) != row) (*x)[i] = nan;
                backend.step_forward(lstm.forward(), {});
                backend.step_backward(lstm.backward(), {});
                std::vector<float> results;
                for (auto* x : {&lstm.next_h, &lstm.next_c, &lstm.saved, &lstm.dgates, &lstm.dh, &lstm.dc}) {
                    const std::ptrdiff_t width = static_cast<std::ptrdiff_t>(x->size()) / Lstm::B;
                    results.insert(results.end(), x->begin() + row * width, x->begin() + (row + 1) * width);
                }
                return results;
            };
            const std::vector<float> clean = run(false), poisoned = run(true);
            EXPECT_EQ(std::memcmp(clean.data(), poisoned.data(), clean.size() * sizeof(float)), 0)
                << cpu::name_of(isa) << ", row " << row;
        }
    }
}

TEST(CpuBackend, SaysWhatItIs) {
    CpuBackend backend(2, Isa::baseline);
    EXPECT_EQ(backend.name(), "cpu");
    EXPECT_EQ(backend.description(), "cpu, 2 threads, baseline instructions");
    const CellInfo lstm = cell_info("lstm", {});
    EXPECT_NE(backend.loop_policy({lstm, {}, {}, {}, 1, false, 1}).algorithm.find("cpu baseline"), std::string::npos);
    EXPECT_THROW(CpuBackend(-1), Error);
    EXPECT_THROW(backend.cell_kernels("lstm", {.reset_before = true}, Precision::f32()), Error);
    EXPECT_THROW(backend.cell_kernels("lstm", {}, Precision::bf16()), Error);
    EXPECT_NE(backend.cell_kernels("lstm", {}, Precision::f32()), backend.cell_kernels("gru", {}, Precision::f32()));
    EXPECT_NE(backend.cell_kernels("lstm", {}, Precision::f32()), backend.cell_kernels("lstm", {}, Precision::f64()));
}

TEST(CpuBackend, MemoryIsAlignedAndRunsOut) {
    CpuBackend backend(1);
    for (std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(65)}) {
        void* const p = backend.allocate(bytes);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
        backend.zero(p, bytes, {});
        backend.free(p);
    }
    for (std::size_t bytes : {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() / 2}) {
        try {
            backend.allocate(bytes);
            ADD_FAILURE() << bytes << " bytes were given";
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
        }
    }
}

TEST(Device, Names) {
    EXPECT_EQ(Device::cpu(1).name(), "cpu");
    EXPECT_EQ(Device::parse("cpu").name(), "cpu");
    EXPECT_THROW(Device::parse("tpu"), Error);
    EXPECT_THROW(Device::cpu(-2), Error);
}

}  // namespace
}  // namespace rondo
