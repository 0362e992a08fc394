#include "files/safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <rondo/error.hpp>
#include <utility>

namespace rondo::files {
namespace {

using Json = nlohmann::json;
using Limits = SafetensorsLimits;

constexpr std::array<std::pair<std::string_view, DType>, 6> kTypes{{{"F64", DType::f64},
                                                                    {"F32", DType::f32},
                                                                    {"F16", DType::f16},
                                                                    {"BF16", DType::bf16},
                                                                    {"I64", DType::i64},
                                                                    {"I32", DType::i32}}};

std::string_view stored_name(DType type) {
    return std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& entry) { return entry.second == type; })->first;
}

/// Takes the parser's events. A DOM would keep one of two equal names, and a hundred megabytes of nested lists.
class HeaderEvents {
public:
    explicit HeaderEvents(const std::string& path) : path_(path) {}

    // What the format knows.
    bool start_object(std::size_t) {
        if (where_ == Where::outside) return enter(Where::top);
        if (where_ == Where::top && pending_) return enter(key_ == "__metadata__" ? Where::metadata : Where::tensor);
        damaged("an object stands where none belongs");
    }
    bool key(std::string& text) {
        count_text(text);
        pending_ = true;
        key_ = std::move(text);
        if (where_ == Where::top && key_ == "__metadata__" && std::exchange(has_metadata_, true))
            damaged("__metadata__ occurs twice");
        return true;
    }
    bool string(std::string& text) {
        if (where_ == Where::metadata) {
            count_text(text);
            if (std::cmp_greater(metadata_.size(), Limits::kTensors)) damaged("has too many metadata entries");
            if (!metadata_.emplace(std::move(key_), std::move(text)).second) damaged("a metadata key occurs twice");
            return true;
        }
        if (where_ != Where::tensor || key_ != "dtype") damaged("text stands where none belongs");
        if (std::exchange(has_dtype_, true)) damaged(of_tensor("has two dtypes"));
        for (const auto& [name, type] : kTypes)
            if (name == text) {
                current_.dtype = type;
                return true;
            }
        damaged(of_tensor("dtype " + printable(text) + " is not one of F64, F32, F16, BF16, I64, I32"));
    }
    bool start_array(std::size_t) {
        if (where_ != Where::tensor) damaged("a list stands where none belongs");
        if (key_ == "shape") {
            if (std::exchange(has_shape_, true)) damaged(of_tensor("has two shapes"));
            return enter(Where::shape);
        }
        if (key_ == "data_offsets") {
            if (has_offsets_) damaged(of_tensor("has two data_offsets"));
            return enter(Where::offsets);
        }
        damaged(of_tensor("has an unknown field " + printable(key_)));
    }
    bool number_unsigned(std::uint64_t value) {
        if (value > static_cast<std::uint64_t>(INT64_MAX))
            damaged("the number " + std::to_string(value) + " is too large");
        const auto number = static_cast<std::int64_t>(value);
        if (where_ == Where::shape) {
            if (current_.shape.rank() == Shape::kMaxRank) damaged(of_tensor("has more than 6 dimensions"));
            current_.shape.append(number);
        } else if (where_ == Where::offsets) {
            if (offset_count_ == 2) damaged(of_tensor("has more than two data_offsets"));
            offsets_[offset_count_++] = number;
        } else {
            damaged("a number stands where none belongs");
        }
        return true;
    }
    bool end_array() {
        if (where_ == Where::offsets) {
            if (offset_count_ != 2) damaged(of_tensor("needs two data_offsets"));
            has_offsets_ = true;
        }
        where_ = Where::tensor;
        return true;
    }
    bool end_object() {
        if (where_ == Where::tensor) finish_tensor();
        where_ = where_ == Where::top ? Where::done : Where::top;
        pending_ = false;
        return true;
    }

    // What it does not.
    bool null() { damaged("null stands where none belongs"); }
    bool boolean(bool) { damaged("a truth value stands where none belongs"); }
    bool number_integer(std::int64_t value) { damaged("the number " + std::to_string(value) + " is negative"); }
    bool number_float(double, const std::string& text) {
        damaged("the number " + printable(text) + " is no whole number");
    }
    bool binary(Json::binary_t&) { damaged("binary data"); }
    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception&) {
        damaged("the header is no valid JSON at byte " + std::to_string(position));
    }

    Header take() { return {std::move(tensors_), std::move(metadata_)}; }

    [[noreturn]] void damaged(const std::string& what) const {
        throw Error(ErrorCode::io, "file = " + path_ + ": no valid safetensors file: " + what);
    }

private:
    enum class Where { outside, top, metadata, tensor, shape, offsets, done };

    bool enter(Where where) {
        if (where == Where::tensor) {
            if (std::cmp_greater_equal(tensors_.size(), Limits::kTensors)) damaged("has more than 65536 tensors");
            current_ = {};
            current_.name = std::move(key_);
            has_dtype_ = has_shape_ = has_offsets_ = false;
        }
        if (where == Where::offsets) offset_count_ = 0;
        where_ = where;
        return true;
    }
    void count_text(const std::string& text) {
        text_bytes_ += static_cast<std::int64_t>(text.size());
        if (text_bytes_ > Limits::kTextBytes) damaged("names and metadata are longer than 16 MiB");
    }
    void finish_tensor() {
        if (!has_dtype_ || !has_shape_ || !has_offsets_) damaged(of_tensor("lacks dtype, shape or data_offsets"));
        std::int64_t bytes = size_of(current_.dtype);
        bool empty = false, overflow = false;
        for (std::int64_t extent : current_.shape) {
            empty = empty || extent == 0;
            overflow = overflow || __builtin_mul_overflow(bytes, extent, &bytes);
        }
        if (overflow) damaged(of_tensor("shape " + current_.shape.to_string() + " has too many elements"));
        if (empty) bytes = 0;
        current_.offset = offsets_[0];
        if (offsets_[1] < offsets_[0] || offsets_[1] - offsets_[0] != bytes)
            damaged(of_tensor("shape " + current_.shape.to_string() + " needs " + std::to_string(bytes) +
                              " bytes, data_offsets are [" + std::to_string(offsets_[0]) + ", " +
                              std::to_string(offsets_[1]) + "]"));
        tensors_.push_back(std::move(current_));
    }
    std::string of_tensor(const std::string& what) const { return "tensor " + printable(current_.name) + " " + what; }

    const std::string& path_;
    Where where_ = Where::outside;
    std::string key_;
    bool pending_ = false, has_metadata_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
    TensorInfo current_;
    std::array<std::int64_t, 2> offsets_{};
    std::size_t offset_count_ = 0;
    std::int64_t text_bytes_ = 0;
    std::vector<TensorInfo> tensors_;
    Metadata metadata_;
};

/// The parser keeps a token twice or more while it reads it, and a number may have any length: none may be long.
/// What is no JSON at all may be judged wrongly here; the parser refuses it anyway.
bool has_long_token(std::string_view json) {
    constexpr std::int64_t kNumberBytes = 64;
    bool inside = false;
    std::int64_t length = 0;
    for (std::size_t i = 0; i < json.size(); ++i) {
        if (json[i] == '"') {
            inside = !inside;
            length = 0;
        } else if (!inside && std::string_view(" \t\r\n{}[],:").find(json[i]) != std::string_view::npos) {
            length = 0;
        } else {
            if (inside && json[i] == '\\') ++i, ++length;
            if (++length > (inside ? Limits::kStringBytes : kNumberBytes)) return true;
        }
    }
    return false;
}

void check_names(const std::vector<TensorInfo>& tensors, const HeaderEvents& events) {
    std::vector<std::uint32_t> order(tensors.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return tensors[a].name < tensors[b].name; });
    const auto same = [&](auto a, auto b) { return tensors[a].name == tensors[b].name; };
    const auto twice = std::adjacent_find(order.begin(), order.end(), same);
    if (twice != order.end()) events.damaged("tensor " + printable(tensors[*twice].name) + " occurs twice");
}

/// Sorts by place and follows the data from end to end.
void check_layout(std::vector<TensorInfo>& tensors, std::int64_t data_bytes, const HeaderEvents& events) {
    // An empty tensor lies before the one that begins where it does.
    std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
        return std::pair(a.offset, a.bytes()) < std::pair(b.offset, b.bytes());
    });
    std::int64_t end = 0;
    for (const TensorInfo& tensor : tensors) {
        if (tensor.offset != end)
            events.damaged("tensor " + printable(tensor.name) + " begins at " + std::to_string(tensor.offset) +
                           " where the data before it end at " + std::to_string(end) +
                           (tensor.offset < end ? ": they overlap" : ": there is a hole"));
        // Offsets were below 2^63 each and their difference is bytes(): the sum cannot overflow.
        end += tensor.bytes();
    }
    if (end != data_bytes)
        events.damaged("the tensors take " + std::to_string(end) + " bytes, the file has " +
                       std::to_string(data_bytes) +
                       (end < data_bytes ? ": something follows them" : ": it is truncated"));
}

}  // namespace

Header parse_header(std::string_view json, std::int64_t data_bytes, const std::string& path) {
    HeaderEvents events(path);
    if (json.empty() || json.front() != '{') events.damaged("the header does not begin with {");
    if (has_long_token(json)) events.damaged("a name or metadata value longer than 4 MiB, or a number without end");
    Json::sax_parse(json.begin(), json.end(), &events);
    Header header = events.take();
    check_names(header.tensors, events);
    check_layout(header.tensors, data_bytes, events);
    return header;
}

std::string build_header(std::span<const NamedTensor> tensors, const Metadata& metadata, const std::string& path) {
    // ordered_json throws on invalid UTF-8, and keeps the checksum first, where the reader looks for it.
    nlohmann::ordered_json header, text;
    text[std::string(kChecksumKey)] = std::string(kChecksumDigits, '0');
    for (const auto& [key, value] : metadata) {
        require(key != kChecksumKey, "metadata", key, "is written by the library itself");
        text[key] = value;
    }
    header["__metadata__"] = std::move(text);
    std::string json;
    std::int64_t offset = 0;
    try {
        json = header.dump();
        json.pop_back();
        for (const NamedTensor& tensor : tensors) {
            require(tensor.name != "__metadata__", "tensor", tensor.name, "is no name for a tensor");
            std::int64_t bytes = 0, end = 0;
            const bool overflow =
                __builtin_mul_overflow(tensor.view.shape.size(), size_of(tensor.view.dtype), &bytes) ||
                __builtin_add_overflow(offset, bytes, &end);
            require(!overflow, "shape", tensor.view.shape, "has too many elements");
            nlohmann::ordered_json entry;
            entry["dtype"] = stored_name(tensor.view.dtype);
            entry["shape"] = std::vector<std::int64_t>(tensor.view.shape.begin(), tensor.view.shape.end());
            entry["data_offsets"] = {offset, end};
            // Not through one object for all: it would keep one of two equal names.
            json += ',' + Json(tensor.name).dump() + ':' + entry.dump();
            offset = end;
        }
    } catch (const Json::exception&) {
        refuse("file", path, "names and metadata must be valid UTF-8");
    }
    json += '}';
    json.append((8 - json.size() % 8) % 8, ' ');
    require(std::cmp_less_equal(json.size(), Limits::kHeaderBytes), "header bytes", json.size(),
            "must be at most 100000000");
    parse_header(json, offset, path);  // what we would not read is not written
    return json;
}

std::string checksum_digits(std::uint32_t crc) {
    char digits[kChecksumDigits + 1];
    std::snprintf(digits, sizeof digits, "%08x", crc);
    return digits;
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 100)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
        } else {
            char escape[5];
            std::snprintf(escape, sizeof escape, "\\x%02x", byte);
            out += escape;
        }
    }
    return text.size() > 100 ? out + "..." : out;
}

}  // namespace rondo::files
