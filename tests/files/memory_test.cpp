// Hostile files cost no more memory than their own size and 64 MiB.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <rondo/safetensors.hpp>
#include <string>

#include "support/temporary_folder.hpp"

namespace {

std::atomic<std::int64_t> in_use{0}, peak{0};

void* counted(std::size_t size) noexcept {
    void* p = std::malloc(size ? size : 1);
    if (!p) return nullptr;
    const std::int64_t now = in_use += static_cast<std::int64_t>(malloc_usable_size(p));
    std::int64_t before = peak;
    while (before < now && !peak.compare_exchange_weak(before, now)) {
    }
    return p;
}
void uncounted(void* p) noexcept {
    if (p) in_use -= static_cast<std::int64_t>(malloc_usable_size(p));
    std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
    if (void* p = counted(size)) return p;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete[](void* p) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { uncounted(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { uncounted(p); }

namespace rondo {
namespace {

constexpr std::int64_t kHeader = 24'000'000;

/// The peak while a file with this header is opened, less its size.
std::int64_t excess(const std::string& header) {
    const test::TemporaryFolder folder;
    {
        std::string text;
        for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 255);
        test::write_text(folder.file("a"), text + header);
    }
    const std::int64_t before = in_use;
    peak = before;
    EXPECT_THROW(SafetensorsReader reader(folder.file("a")), Error);
    return peak - before - static_cast<std::int64_t>(header.size());
}

std::string repeated(const std::string& begin, const std::string& piece) {
    std::string text = begin;
    text.reserve(kHeader + 100);
    while (text.size() < kHeader) text += piece;
    return text;
}

std::string quoted(int number) { return std::string(1, '"').append(std::to_string(number)).append(1, '"'); }

TEST(SafetensorsMemory, StaysWithinTheFileAnd64MiB) {
    constexpr std::int64_t kLimit = 64 << 20;
    EXPECT_LE(excess(repeated("{\"__metadata__\":{\"a\":\"", "aaaaaaaaaaaaaaaa")), kLimit);
    EXPECT_LE(excess(repeated("{\"__metadata__\":{\"a\":\"", "\\u00e4")), kLimit);
    EXPECT_LE(excess(repeated("{\"a\":", "[[[[[[[[[[[[")), kLimit);
    EXPECT_LE(excess(repeated("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0],\"shape\":[", "1,1,1,1,1,1,1,1,")),
              kLimit);
    EXPECT_LE(excess(repeated("{\"a\":", "1111111111111111")), kLimit);

    std::string tensors = "{", entries = "{\"__metadata__\":{", texts = entries;
    for (int i = 0; static_cast<std::int64_t>(tensors.size()) < kHeader; ++i)
        tensors += quoted(i) + R"(:{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)";
    EXPECT_LE(excess(tensors), kLimit);
    for (int i = 0; static_cast<std::int64_t>(entries.size()) < kHeader; ++i) entries += quoted(i) + ":\"\",";
    EXPECT_LE(excess(entries), kLimit);
    for (int i = 0; static_cast<std::int64_t>(texts.size()) < kHeader; ++i)
        texts += quoted(i) + ":\"" + std::string(1'000'000, 'a') + "\",";
    EXPECT_LE(excess(texts), kLimit);
}

TEST(SafetensorsMemory, ClaimsAreCheckedBeforeAnythingIsAllocated) {
    const test::TemporaryFolder folder;
    test::write_text(folder.file("a"), std::string("\x00\xe1\xf5\x05\0\0\0\0{}", 10));  // says 100,000,000 bytes
    const std::int64_t before = in_use;
    peak = before;
    EXPECT_THROW(SafetensorsReader reader(folder.file("a")), Error);
    EXPECT_LT(peak - before, 1 << 20);
}

}  // namespace
}  // namespace rondo
