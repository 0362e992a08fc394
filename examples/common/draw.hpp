#pragma once
/// Pictures as SVG: shapes, and the charts made of them.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lesson {

using Point = std::pair<double, double>;

/// A picture one draws on. x goes right and y down, in pixels; colours are SVG's.
class Picture {
public:
    Picture(double width, double height) : width_(width), height_(height) {}

    void rect(Point corner, double width, double height, std::string_view fill, double opacity = 1);
    void frame(Point corner, double width, double height, std::string_view colour);
    void circle(Point centre, double radius, std::string_view fill);
    void ellipse(Point centre, double across, double down, std::string_view fill);
    void line(const std::vector<Point>& points, std::string_view colour, double width = 1, bool dashed = false);
    void area(const std::vector<Point>& outline, std::string_view fill, double opacity = 1);
    enum class Anchor { start, middle, end };
    /// turned: from bottom to top.
    void text(Point at, std::string_view words, Anchor anchor = Anchor::start, double size = 13, bool turned = false);

    void save(const std::string& path) const;

private:
    double width_, height_;
    std::string body_;
};

/// The i-th of ten colours that are told apart well.
std::string_view colour(std::size_t i);

struct Curve {
    std::string name;
    std::vector<Point> points;
    bool dashed = false;
};

/// What lies between two curves.
struct Band {
    std::string name;
    std::vector<Point> low, high;
};

struct Chart {
    std::string title, x, y;
    std::vector<Curve> curves;
    std::vector<Band> bands{};
    bool log_x = false;
    double low = 0, high = 0;  ///< of y; equal: as the data
};

/// Charts beside each other. Curves and bands of the same name have the same colour.
void draw(const std::string& path, const std::vector<Chart>& charts);

}  // namespace lesson
