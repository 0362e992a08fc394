#pragma once
/// Where a decoder looked, as numbers and as a picture.
#include <string>
#include <vector>

namespace rondo::cli {

/// Of one pair: a row for each token that was written, its end last, a column for each of the source.
struct AttentionMap {
    std::vector<std::string> source, target;
    std::vector<double> weights;  ///< [target, source] row-major, each in [0, 1]
};

/// Tables one below the other, an empty line after each; the first row and column name the tokens.
std::string csv_of(const std::vector<AttentionMap>& maps);

/// Maps one below the other, the source's tokens above, the target's at the left; the darker, the larger the weight.
std::string svg_of(const std::vector<AttentionMap>& maps);

}  // namespace rondo::cli
