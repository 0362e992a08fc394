#include "rows/json_file.hpp"

#include <cstdio>
#include <fstream>

#include "rondo/error.hpp"

namespace rondo::bench {

void write_json(const std::string& path, const nlohmann::ordered_json& json) {
    const std::string beside = path + ".part";
    std::ofstream out(beside);
    out << json.dump(1) << '\n';
    out.close();
    if (!out || std::rename(beside.c_str(), path.c_str()) != 0)
        throw Error(ErrorCode::io, detail::concat(path, ": cannot be written"));
}

}  // namespace rondo::bench
