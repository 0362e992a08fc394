#pragma once
/// The element-wise half of a step of the time loop: what the fused kernels are given, and how they are found.
/// C is f64 of f64 and f32 otherwise, S the storage type. Products come from the caller.
#include <cuda_runtime_api.h>

#include <cstdint>
#include <string_view>

#include "rondo/cell/element.hpp"
#include "rondo/dtype.hpp"

namespace rondo::kernels {

inline constexpr int kMostStates = 4;
inline constexpr int kMostDirections = 2;

/// What a launch is given: the same of each direction of a layer, which differ in step, pointers and y_add alone. A
/// block's y tells its direction.
template <class Arguments>
struct Directions {
    Arguments of[kMostDirections] = {};
    int count = 1;
};

/// Elements of a state that stay as they were: Backend's Zoneout.
struct ZoneoutOf {
    double rate = 0;
    const void* mask = nullptr;  ///< in S [B,H]: 0 where the state stays; null: the expectation
    void* candidate = nullptr;   ///< out [B,H], like the state
};

/// One stage of one step forward.
struct CellForward {
    std::int64_t batch = 0, hidden = 0, t = 0;
    const std::int64_t* lengths = nullptr;  ///< [B] or null
    const void* gates_x = nullptr;          ///< in C [B,G,H]
    const void* gates_h = nullptr;          ///< in C [B,gates of the stage,H], without the bias
    const void* bias_h = nullptr;           ///< in C [gates of the stage,H] or null
    const void* vectors = nullptr;          ///< in C [V,H]
    double clip = 0;                        ///< 0 for none
    bool projected = false;                 ///< state[0] is [B,P] and unread; next[0] is unprojected
    const void* state[kMostStates] = {};    ///< in [0] S [B,H], others C [B,H]
    void* next[kMostStates] = {};           ///< out, likewise
    void* saved = nullptr;                  ///< in, out S [B,R,H] or null
    void* scratch = nullptr;                ///< C [B,K,H], row-wise cells
    ZoneoutOf zoneout[kMostStates] = {};
    const void* recurrent_mask = nullptr;  ///< in C [B,H] or null
    void* fed_back = nullptr;              ///< out S [B,H]: h'∘recurrent_mask, or null
    void* y = nullptr;                     ///< out S, rows y_stride apart, or null
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;
};

/// The gradient of h after step t, as Backend::IncomingGradient says, with the product made.
struct Incoming {
    std::int64_t width = 0, t = 0, later = 0;
    const std::int64_t* lengths = nullptr;
    const void* product = nullptr;  ///< in C [B,width] or null
    const void* mask = nullptr;     ///< in C [B,width]: factors of the product, or null
    const void* carry = nullptr;    ///< in [B,width], S or C, or null
    bool carry_in_storage = false;
    double clip = 0;                   ///< by value; 0 for none
    const void* row_factor = nullptr;  ///< in C [B]: clip by norm, made by clip_rows; or null
    const void* dy = nullptr;          ///< in S, rows dy_stride apart, or null
    std::int64_t dy_stride = 0;
    double dy_scale = 1;
    const void* dstep = nullptr;  ///< in S [B,width] or null
};

/// One stage of one step backward.
struct CellBackward {
    std::int64_t batch = 0, hidden = 0, t = 0;
    const std::int64_t* lengths = nullptr;
    Incoming dh;                     ///< last stage, not projected
    const void* product = nullptr;   ///< in C [B,H]: du (last stage, projected) or doperand (earlier stages)
    const void* dh_whole = nullptr;  ///< in S [B,P], projected
    std::int64_t width = 0;          ///< P where projected
    bool projected = false;
    const void* vectors = nullptr;  ///< in C [V,H]
    double clip = 0;
    const void* state[kMostStates] = {};    ///< in: before the step
    const void* next[kMostStates] = {};     ///< in: after it
    const void* saved = nullptr;            ///< in S [B,R,H]
    void* scratch = nullptr;                ///< C [B,K,H], row-wise cells
    const void* zoneout[kMostStates] = {};  ///< in S [B,H]: 0 where the state stayed; null: none
    const void* dnext[kMostStates] = {};    ///< in C [B,H], from [1]; null: zero
    const void* dstep[kMostStates] = {};    ///< in C [B,H], from [1]; null: none
    void* dstate[kMostStates] = {};         ///< out C (in for earlier stages), [0] [B,H or P]; may be dnext
    void* dgates_x = nullptr;               ///< out S [B,G,H] (in for earlier stages)
    void* dgates_h = nullptr;               ///< out S [B,G,H], where the cell has two kinds
    void* dvectors = nullptr;               ///< in, out C [B,V,H]
    void* dh_told = nullptr;                ///< out C [B,H]: dh, last stage, not projected; or null
};

using LaunchForward = void (*)(const Directions<CellForward>&, cudaStream_t);
using LaunchBackward = void (*)(const Directions<CellBackward>&, cudaStream_t);

/// A cell's stage compiled for a storage type. Throws as visit_cell does.
template <DType kType>
LaunchForward find_forward(std::string_view cell, CellOptions options, int stage);
template <DType kType>
LaunchBackward find_backward(std::string_view cell, CellOptions options, int stage);

/// Limits the norm of an incoming gradient's rows.
struct RowClip {
    Incoming dh;
    double limit = 0;
    void* row_factor = nullptr;  ///< out C [B]
};
/// row_factor[b] = the row took step `later` and |carry + product| > limit ? limit / |carry + product| : 1
void clip_rows(DType storage, const Directions<RowClip>& clip, std::int64_t batch, cudaStream_t stream);

/// An incoming gradient that is wanted as such.
struct WholeGradient {
    Incoming dh;
    void* out = nullptr;  ///< out S [B,width]
};
void gradient_of_h(DType storage, const Directions<WholeGradient>& gradient, std::int64_t batch, cudaStream_t stream);

/// h' of a projected layer.
struct ProjectedState {
    std::int64_t batch = 0, width = 0, t = 0;
    const std::int64_t* lengths = nullptr;
    const void* product = nullptr;         ///< in C [B,P]
    const void* h = nullptr;               ///< in S [B,P]: before the step
    void* next = nullptr;                  ///< out S [B,P]
    const void* recurrent_mask = nullptr;  ///< in C [B,P] or null
    void* fed_back = nullptr;              ///< out S [B,P]: h'∘recurrent_mask, or null
    void* y = nullptr;                     ///< out S, rows y_stride apart, or null
    std::int64_t y_stride = 0;
    double y_scale = 1;
    bool y_add = false;
};
void store_projected(DType storage, const Directions<ProjectedState>& state, cudaStream_t stream);

}  // namespace rondo::kernels
