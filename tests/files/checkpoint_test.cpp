#include <gtest/gtest.h>

#include <rondo/checkpoint.hpp>
#include <rondo/safetensors.hpp>

#include "support/temporary_folder.hpp"

namespace rondo {
namespace {

using test::TemporaryFolder;

Checkpoint sample() {
    const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
    const std::vector<std::int64_t> counts = {7};
    Checkpoint checkpoint;
    checkpoint.tensors.emplace_back("linear.weight", Shape{2, 3}, std::span<const float>(weight));
    checkpoint.tensors.emplace_back("counts", Shape{}, std::span<const std::int64_t>(counts));
    checkpoint.metadata = {{"config", "{\"hidden\": 3}"}, {"vocabulary", "a\nb\n"}};
    return checkpoint;
}

TEST(Checkpoint, ComesBackAsItWas) {
    const TemporaryFolder folder;
    const Checkpoint saved = sample();
    save_checkpoint(folder.file("last"), saved);
    const Checkpoint loaded = load_checkpoint(folder.file("last"));
    EXPECT_EQ(loaded.metadata, saved.metadata);
    ASSERT_EQ(loaded.tensors.size(), saved.tensors.size());
    for (const HostTensor& tensor : saved.tensors) {
        const HostTensor& found = find(loaded.tensors, tensor.name);
        EXPECT_EQ(found.dtype, tensor.dtype);
        EXPECT_EQ(found.shape, tensor.shape);
        EXPECT_EQ(found.data, tensor.data);
    }
}

TEST(Checkpoint, CanBeSavedAgainAfterLoading) {
    const TemporaryFolder folder;
    save_checkpoint(folder.file("a"), sample());
    save_checkpoint(folder.file("b"), load_checkpoint(folder.file("a")));
    EXPECT_EQ(test::read_text(folder.file("a")), test::read_text(folder.file("b")));
}

TEST(Checkpoint, IsToldFromOtherFiles) {
    const TemporaryFolder folder;
    const auto message = [&](const Metadata& metadata) -> std::string {
        write_safetensors(folder.file("a"), {}, metadata);
        try {
            load_checkpoint(folder.file("a"));
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::io);
            return error.what();
        }
        return "accepted";
    };
    EXPECT_NE(message({}).find("is no checkpoint"), std::string::npos);
    EXPECT_NE(message({{std::string(kCheckpointKey), "2"}}).find("another format (2, not 1)"), std::string::npos);

    Checkpoint checkpoint = sample();
    checkpoint.metadata.emplace(kCheckpointKey, "1");
    EXPECT_THROW(save_checkpoint(folder.file("b"), checkpoint), Error);
}

}  // namespace
}  // namespace rondo
