// Reading and writing: what goes in comes out, and every damaged file is refused with a line that says why.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <numeric>
#include <rondo/safetensors.hpp>

#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using test::read_text;
using test::TemporaryFolder;
using test::write_text;

/// A file as any writer of the format makes it.
std::string file_of(const std::string& header, std::size_t data_bytes) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 255);
    text += header;
    for (std::size_t i = 0; i < data_bytes; ++i) text += static_cast<char>(i);
    return text;
}

std::string message_of(const std::string& path) {
    try {
        SafetensorsReader reader(path);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::io);
        return error.what();
    }
    return "accepted";
}

TEST(Safetensors, GivesBackWhatWasWritten) {
    const TemporaryFolder folder;
    const double f64[3] = {1.5, -2e300, 0};
    const float f32[2] = {3.25f, -1e-40f};
    const std::uint16_t f16[5] = {0x3c00, 0xc000, 0x7c00, 1, 0}, bf16[1] = {0x3f80};
    const std::int64_t i64[1] = {INT64_MIN};
    const std::int32_t i32[2] = {-1, 2};
    const std::vector<NamedTensor> tensors = {{"half", {f16, DType::f16, {5}}},
                                              {"brain \"quoted\"\n", {bf16, DType::bf16, {1, 1, 1}}},
                                              {"single", {f32, {2, 1}}},
                                              {"long", {i64, {}}},
                                              {"nothing", {nullptr, DType::f32, {0, 4}}},
                                              {"double", {f64, {3}}},
                                              {"int", {i32, {2}}}};
    const Metadata metadata = {{"config", "{\"a\": 1}"}, {"umlaut", "Grüße"}};
    write_safetensors(folder.file("a.safetensors"), tensors, metadata);

    const SafetensorsReader reader(folder.file("a.safetensors"));
    EXPECT_TRUE(reader.has_checksum());
    EXPECT_EQ(reader.metadata().at("config"), metadata.at("config"));
    EXPECT_EQ(reader.metadata().at("umlaut"), metadata.at("umlaut"));
    ASSERT_EQ(reader.tensors().size(), tensors.size());
    for (const NamedTensor& tensor : tensors) {
        const TensorInfo& info = reader.tensor(tensor.name);
        EXPECT_EQ(info.dtype, tensor.view.dtype);
        EXPECT_EQ(info.shape, tensor.view.shape);
        EXPECT_EQ(info.offset % size_of(info.dtype), 0) << tensor.name;
        std::string stored(static_cast<std::size_t>(info.bytes()), 'x');
        reader.read(info, stored.data());
        EXPECT_EQ(stored, std::string(static_cast<const char*>(tensor.view.data), stored.size())) << tensor.name;
    }
    double wide[5];
    reader.read_as(reader.tensor("half"), DType::f64, wide);
    EXPECT_EQ(wide[1], -2.0);
    EXPECT_EQ(reader.find("absent"), nullptr);
    EXPECT_THROW(reader.tensor("absent"), Error);
    EXPECT_EQ(folder.entries(), 1);
}

TEST(Safetensors, ConvertsTensorsLongerThanOnePiece) {
    const TemporaryFolder folder;
    std::vector<double> values(700'001);
    std::iota(values.begin(), values.end(), -350'000.0);
    const NamedTensor tensor{"x", {values.data(), {700'001}}};
    write_safetensors(folder.file("a"), {&tensor, 1});
    const SafetensorsReader reader(folder.file("a"));
    std::vector<float> read(values.size());
    reader.read_as(reader.tensor("x"), DType::f32, read.data());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(read[i], static_cast<float>(values[i]));
}

TEST(Safetensors, ReadsWhatOthersWrite) {
    const TemporaryFolder folder;
    // Padded with spaces, metadata in the middle, order of names unlike order of data, no checksum.
    write_text(folder.file("a"),
               file_of(R"({"b":{"shape":[2,2],"data_offsets":[2,10],"dtype":"BF16"},"__metadata__":{"format":"pt"},)"
                       R"("a":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}   )",
                       10));
    const SafetensorsReader reader(folder.file("a"));
    EXPECT_FALSE(reader.has_checksum());
    EXPECT_EQ(reader.metadata().at("format"), "pt");
    ASSERT_EQ(reader.tensors().size(), 2u);
    EXPECT_EQ(reader.tensors()[0].name, "a");
    EXPECT_EQ(reader.tensors()[1].shape, (Shape{2, 2}));
    write_text(folder.file("empty"), file_of("{}", 0));
    EXPECT_TRUE(SafetensorsReader(folder.file("empty")).tensors().empty());
}

struct Damage {
    const char* header;
    std::size_t data_bytes;
    const char* said;
};

class Damaged : public testing::TestWithParam<Damage> {};

TEST_P(Damaged, IsRefused) {
    const TemporaryFolder folder;
    write_text(folder.file("a"), file_of(GetParam().header, GetParam().data_bytes));
    const std::string message = message_of(folder.file("a"));
    EXPECT_NE(message.find(GetParam().said), std::string::npos) << message;
    EXPECT_EQ(message.rfind("file = " + folder.file("a") + ": ", 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
}

#define ONE(dtype, shape, offsets) R"({"a":{"dtype":")" dtype R"(","shape":)" shape R"(,"data_offsets":)" offsets "}}"
INSTANTIATE_TEST_SUITE_P(
    Safetensors, Damaged,
    testing::Values(
        Damage{"", 0, "does not begin with {"}, Damage{" {}", 0, "does not begin with {"},
        Damage{"{", 0, "no valid JSON"}, Damage{"{}}", 0, "no valid JSON"}, Damage{"{} {}", 0, "no valid JSON"},
        Damage{"{\"a\":1}", 0, "a number stands"}, Damage{"{\"a\":null}", 0, "null stands"},
        Damage{"{\"a\":[]}", 0, "a list stands"}, Damage{"{\"a\":\"b\"}", 0, "text stands"},
        Damage{"{\"a\":true}", 0, "a truth value"}, Damage{"{\"a\":{}}", 0, "lacks dtype, shape or data_offsets"},
        Damage{"{\"\xff\":{}}", 0, "no valid JSON"}, Damage{ONE("F8", "[1]", "[0,1]"), 1, "dtype F8 is not one of"},
        Damage{ONE("F32", "[1]", "[0,8]"), 8, "needs 4 bytes"}, Damage{ONE("F32", "[2]", "[0,4]"), 4, "needs 8 bytes"},
        Damage{ONE("F32", "[1]", "[4,0]"), 4, "needs 4 bytes"}, Damage{ONE("F32", "[1]", "[0]"), 4, "two data_offsets"},
        Damage{ONE("F32", "[1]", "[0,4,4]"), 4, "more than two"}, Damage{ONE("F32", "[-1]", "[0,4]"), 4, "negative"},
        Damage{ONE("F32", "[1.0]", "[0,4]"), 4, "no whole number"},
        Damage{ONE("F32", "[[1]]", "[0,4]"), 4, "a list stands"},
        Damage{ONE("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 6"},
        Damage{ONE("F32", "[18446744073709551615]", "[0,4]"), 4, "too large"},
        Damage{ONE("F32", "[99999999999999999999]", "[0,4]"), 4, "no whole number"},
        Damage{ONE("F32", "[4611686018427387904]", "[0,0]"), 0, "too many elements"},
        Damage{ONE("F32", "[4294967296,4294967296]", "[0,0]"), 0, "too many elements"},
        Damage{ONE("F32", "[4294967296,4294967296,0]", "[0,0]"), 0, "too many elements"},
        Damage{ONE("F32", "[1]", "[0,4]"), 3, "truncated"}, Damage{ONE("F32", "[1]", "[0,4]"), 5, "something follows"},
        Damage{ONE("F32", "[1]", "[4,8]"), 8, "hole"}, Damage{"{}", 1, "something follows"},
        Damage{R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "two dtypes"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", 4, "two shapes"},
        Damage{R"({"a":{"dtype":"F32","shape":[1],"strides":[1],"data_offsets":[0,4]}})", 4, "unknown field strides"},
        Damage{
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
            8, "tensor a occurs twice"},
        Damage{
            R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
            12, "overlap"},
        Damage{
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            4, "overlap"},
        Damage{R"({"__metadata__":{"a":"b","a":"c"}})", 0, "occurs twice"},
        Damage{R"({"__metadata__":{},"__metadata__":{}})", 0, "occurs twice"},
        Damage{R"({"__metadata__":{"a":1}})", 0, "a number stands"},
        Damage{R"({"__metadata__":{"a":{}}})", 0, "an object stands"},
        Damage{R"({"__metadata__":{"rondo.crc32c":"00000000"}})", 0, "checksum does not match"},
        Damage{R"({ "__metadata__":{"rondo.crc32c":"00000000"}})", 0, "checksum does not match"},
        Damage{R"({ "__metadata__":{"rondo.crc32c":""}})", 0, "checksum does not match"},
        Damage{R"({"__metadata__":{"rondo.crc32c":""}})", 0, "checksum does not match"}));
#undef ONE

TEST(Safetensors, RefusesWhatIsNoFileOfTensors) {
    const TemporaryFolder folder;
    EXPECT_NE(message_of(folder.file("absent")).find("cannot be opened"), std::string::npos);
    EXPECT_NE(message_of(folder.path()).find("regular file"), std::string::npos);
    EXPECT_NE(message_of("/dev/zero").find("regular file"), std::string::npos);
    ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
    EXPECT_NE(message_of(folder.file("pipe")).find("regular file"), std::string::npos);
    write_text(folder.file("short"), "1234567");
    EXPECT_NE(message_of(folder.file("short")).find("shorter than 8"), std::string::npos);
    write_text(folder.file("long"), std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
    EXPECT_NE(message_of(folder.file("long")).find("at most 100000000"), std::string::npos);
    write_text(folder.file("cut"), std::string("\x03\0\0\0\0\0\0\0{}", 10));
    EXPECT_NE(message_of(folder.file("cut")).find("truncated"), std::string::npos);
}

TEST(SafetensorsWriting, RefusesWhatItCouldNotReadBack) {
    const TemporaryFolder folder;
    const float one[1] = {1};
    const auto refused = [&](std::vector<NamedTensor> tensors, const Metadata& metadata) {
        try {
            write_safetensors(folder.file("a"), tensors, metadata);
        } catch (const Error&) {
            return folder.entries() == 0;
        }
        return false;
    };
    EXPECT_TRUE(refused({{"a", {one, {1}}}, {"a", {one, {1}}}}, {}));
    EXPECT_TRUE(refused({{"__metadata__", {one, {1}}}}, {}));
    EXPECT_TRUE(refused({{"\xff", {one, {1}}}}, {}));
    EXPECT_TRUE(refused({}, {{"\xff", ""}}));
    EXPECT_TRUE(refused({}, {{"a", "\xc3"}}));
    EXPECT_TRUE(refused({}, {{"rondo.crc32c", "00000000"}}));
    EXPECT_TRUE(refused({}, {{"a", std::string(SafetensorsLimits::kStringBytes + 1, 'a')}}));
    EXPECT_TRUE(refused({{"a", {static_cast<const float*>(nullptr), {1}}}}, {}));
}

TEST(SafetensorsWriting, LeavesTheOldFileWhereTheNewOneDoesNotFit) {
    const TemporaryFolder folder;
    const std::string path = folder.file("a");
    const std::vector<double> values(100'000, 1.0);
    const NamedTensor small{"a", {values.data(), {1}}}, large{"a", {values.data(), {100'000}}};
    write_safetensors(path, {&small, 1});
    const std::string before = read_text(path);

    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit low{65536, limit.rlim_max};
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
    EXPECT_THROW(write_safetensors(path, {&large, 1}), Error);
    EXPECT_THROW(write_safetensors(folder.file("new"), {&large, 1}), Error);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, old_handler);

    EXPECT_EQ(read_text(path), before);
    EXPECT_EQ(folder.entries(), 1);
}

TEST(SafetensorsWriting, ReplacesFilesOnly) {
    namespace fs = std::filesystem;
    const TemporaryFolder folder;
    EXPECT_THROW(write_safetensors(folder.path(), {}), Error);
    EXPECT_THROW(write_safetensors("/dev/null", {}), Error);
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
    EXPECT_THROW(write_safetensors(folder.file("no/such/folder"), {}), Error);
    EXPECT_THROW(write_safetensors("", {}), Error);
    EXPECT_EQ(folder.entries(), 0);

    write_text(folder.file("target"), "old");
    fs::create_symlink("target", folder.file("link"));
    write_safetensors(folder.file("link"), {});
    EXPECT_TRUE(fs::is_symlink(folder.file("link")));
    EXPECT_NO_THROW(SafetensorsReader(folder.file("target")));
}

}  // namespace
}  // namespace rondo
