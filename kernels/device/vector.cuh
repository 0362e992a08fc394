#pragma once
/// Loads and stores of up to 16 bytes at once.
#include "device/platform.cuh"

namespace rondo::device {

/// N neighbouring elements, aligned as one.
template <class T, int kLength>
struct alignas(sizeof(T) * kLength) Vector {
    static_assert(sizeof(T) * kLength <= 16 && (kLength & (kLength - 1)) == 0, "a vector is 2, 4, 8 or 16 bytes");
    T elements[kLength];

    RONDO_DEVICE T& operator[](int i) { return elements[i]; }
    RONDO_DEVICE const T& operator[](int i) const { return elements[i]; }
};

/// As many elements as 16 bytes hold.
template <class T>
inline constexpr int kVectorLength = static_cast<int>(16 / sizeof(T));

namespace detail {

template <std::size_t kBytes>
struct Word;
template <>
struct Word<2> {
    using Type = unsigned short;
};
template <>
struct Word<4> {
    using Type = unsigned;
};
template <>
struct Word<8> {
    using Type = uint2;
};
template <>
struct Word<16> {
    using Type = uint4;
};

}  // namespace detail

/// The elements p[0..kLength). p must be aligned to their size together.
template <int kLength, class T>
RONDO_DEVICE Vector<T, kLength> load_vector(const T* p) {
    using Word = typename detail::Word<sizeof(Vector<T, kLength>)>::Type;
    const Word word = *reinterpret_cast<const Word*>(p);  // by value: a copy out of memory would go byte by byte
    return bit_cast<Vector<T, kLength>>(word);
}

template <class T, int kLength>
RONDO_DEVICE void store_vector(T* p, const Vector<T, kLength>& value) {
    using Word = typename detail::Word<sizeof(Vector<T, kLength>)>::Type;
    *reinterpret_cast<Word*>(p) = bit_cast<Word>(value);
}

/// Whether p may be read kLength elements at a time.
template <int kLength, class T>
RONDO_DEVICE bool is_aligned(const T* p) {
    return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * kLength) == 0;
}

}  // namespace rondo::device
