#include "cli/tasks/example_task.hpp"

#include <sstream>

namespace rondo::cli {

Batch& Batch::ids(Shape shape, std::vector<std::int32_t> values, std::vector<std::int64_t> lengths) {
    HostTensor& tensor = tensors_.emplace_back("", DType::i32, shape);
    std::copy(values.begin(), values.end(), tensor.as<std::int32_t>().begin());
    inputs_.push_back({tensor.view(), lengths_.emplace_back(std::move(lengths))});
    return *this;
}

Batch& Batch::numbers(DType dtype, Shape shape, const std::vector<double>& values, std::vector<std::int64_t> lengths) {
    HostTensor& tensor = tensors_.emplace_back("", dtype, shape);
    convert_elements(dtype, tensor.data.data(), DType::f64, values.data(), shape.size());
    inputs_.push_back({tensor.view(), lengths_.emplace_back(std::move(lengths))});
    return *this;
}

Padded pad(const std::vector<const Ids*>& lists, std::int32_t padding) {
    Padded padded;
    std::size_t longest = 1;
    for (const Ids* list : lists) {
        longest = std::max(longest, list->size());
        padded.lengths.push_back(static_cast<std::int64_t>(list->size()));
    }
    padded.shape = {static_cast<std::int64_t>(longest), static_cast<std::int64_t>(lists.size())};
    padded.ids.assign(longest * lists.size(), padding);
    for (std::size_t b = 0; b < lists.size(); ++b)
        for (std::size_t t = 0; t < lists[b]->size(); ++t) padded.ids[t * lists.size() + b] = (*lists[b])[t];
    return padded;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (line.ends_with('\r')) line.pop_back();
        if (!line.empty()) lines.push_back(std::move(line));
    }
    return lines;
}

std::pair<std::string, std::string> two_fields(const std::string& field, std::size_t line, const std::string& text) {
    const std::size_t tab = text.find('\t');
    if (tab == std::string::npos)
        refuse(field, detail::concat("line ", line + 1), "must hold two fields with a tab between them");
    return {text.substr(0, tab), text.substr(tab + 1)};
}

std::vector<double> numbers_of(const HostTensor& tensor) {
    std::vector<double> values(static_cast<std::size_t>(tensor.shape.size()));
    convert_elements(DType::f64, values.data(), tensor.dtype, tensor.data.data(), tensor.shape.size());
    return values;
}

Ids largest_of(const std::vector<double>& values, std::int64_t classes) {
    Ids best;
    for (auto row = values.begin(); row != values.end(); row += classes)
        best.push_back(static_cast<std::int32_t>(std::max_element(row, row + classes) - row));
    return best;
}

}  // namespace rondo::cli
