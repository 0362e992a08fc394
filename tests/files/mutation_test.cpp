// A reader that meets damaged files: it refuses or reads, and never does anything else. Most telling under sanitizers.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <rondo/safetensors.hpp>
#include <string>
#include <vector>

#include "files/safetensors_header.hpp"
#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using test::read_text;
using test::TemporaryFolder;
using test::write_text;

std::string sample(const TemporaryFolder& folder) {
    const std::vector<double> values(8, 0.5);
    const std::vector<NamedTensor> tensors = {{"weight_ih_l0", {values.data(), {2, 3}}},
                                              {"bias", {values.data(), {2}}}};
    write_safetensors(folder.file("sample"), tensors, {{"step", "12"}});
    return read_text(folder.file("sample"));
}

bool accepts(const std::string& path) {
    try {
        const SafetensorsReader reader(path);
        for (const TensorInfo& tensor : reader.tensors()) {
            std::vector<char> data(static_cast<std::size_t>(tensor.bytes()));
            reader.read(tensor, data.data());
        }
        return true;
    } catch (const Error&) {
        return false;
    }
}

TEST(SafetensorsMutation, EveryFlippedBitIsNoticed) {
    const TemporaryFolder folder;
    const std::string good = sample(folder);
    // A flip in the name of the checksum's entry takes the checksum away; what it guards is then still as it was.
    const std::size_t key = 8 + files::kChecksumPrefix.find(kChecksumKey);
    const std::string path = folder.file("sample");
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](std::size_t byte, int flipped) {
        file.seekp(static_cast<std::streamoff>(byte));
        file.put(static_cast<char>(good[byte] ^ flipped)).flush();
    };
    for (std::size_t byte = 0; byte < good.size(); ++byte) {
        if (byte >= key && byte < key + kChecksumKey.size()) continue;
        for (int bit = 0; bit < 8; ++bit) {
            put(byte, 1 << bit);
            ASSERT_FALSE(accepts(path)) << "byte " << byte << " bit " << bit;
        }
        put(byte, 0);
    }
    ASSERT_TRUE(file.good());
    EXPECT_TRUE(accepts(path));
}

TEST(SafetensorsMutation, EveryTruncationIsNoticed) {
    const TemporaryFolder folder;
    const std::string good = sample(folder);
    for (std::size_t size = 0; size < good.size(); ++size) {
        write_text(folder.file("bad"), good.substr(0, size));
        ASSERT_FALSE(accepts(folder.file("bad"))) << size;
    }
    write_text(folder.file("bad"), good + '\0');
    EXPECT_FALSE(accepts(folder.file("bad")));
}

TEST(SafetensorsMutation, HeadersOfRandomPiecesAreRefusedOrConsistent) {
    const std::vector<std::string> pieces = {"{",
                                             "}",
                                             "[",
                                             "]",
                                             ",",
                                             ":",
                                             "\"a\"",
                                             "\"b\"",
                                             "\"dtype\"",
                                             "\"shape\"",
                                             "\"data_offsets\"",
                                             "\"__metadata__\"",
                                             "\"F32\"",
                                             "\"I64\"",
                                             "0",
                                             "4",
                                             "8",
                                             "-1",
                                             "1e3",
                                             "18446744073709551615",
                                             "9223372036854775807",
                                             "null",
                                             "true",
                                             R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})",
                                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})",
                                             R"("c":{"dtype":"F32","shape":[0],"data_offsets":[4,4]})",
                                             "\"\\u0000\"",
                                             "\"\\ud800\"",
                                             " ",
                                             "\xff",
                                             "\\"};
    std::mt19937 random(20);
    int accepted = 0;
    for (int round = 0; round < 50'000; ++round) {
        std::string header = "{";
        const std::size_t count = random() % 6;
        for (std::size_t i = 0; i < count; ++i) {
            if (i && random() % 4) header += ',';
            header += pieces[random() % pieces.size()];
        }
        header += '}';
        try {
            const files::Header parsed = files::parse_header(header, 8, "f");
            std::int64_t bytes = 0;
            for (const TensorInfo& tensor : parsed.tensors) bytes += tensor.bytes();
            ASSERT_EQ(bytes, 8) << header;
            ++accepted;
        } catch (const Error&) {
        }
    }
    EXPECT_GT(accepted, 10);  // some are whole: the pieces reach past the first check
}

}  // namespace
}  // namespace rondo
