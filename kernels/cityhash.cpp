// CityHash64 of text in the version 1.0.2, from the description of the algorithm (G. Pike and J. Alakuijala, 2011); sktensor/cityhash.py
// says the same more slowly.
#include <cstdint>
#include <cstring>
#include <utility>

#include "cityhash.h"

namespace {

constexpr uint64_t k0 = 0xC3A5C85C97CB3127, k1 = 0xB492B66FBE98F273, k2 = 0x9AE16A3B2F90404F, k3 = 0xC949D7C7509E6557;
constexpr uint64_t kFactor = 0x9DDFEA08EB382D69;

using Two = std::pair<uint64_t, uint64_t>;

uint64_t word(const char *at) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

uint64_t half_word(const char *at) {
  uint64_t value = 0;
  for (int i = 3; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

uint64_t turned(uint64_t value, int64_t bits) { return bits % 64 ? value >> (bits % 64) | value << (64 - bits % 64) : value; }

uint64_t folded(uint64_t value) { return value ^ value >> 47; }

uint64_t joined(uint64_t low, uint64_t high) { return folded((high ^ folded((low ^ high) * kFactor)) * kFactor) * kFactor; }

uint64_t up_to_16(const char *text, int64_t n) {
  if (n > 8) {
    const uint64_t last = word(text + n - 8);
    return joined(word(text), turned(last + static_cast<uint64_t>(n), n)) ^ last;
  }
  if (n >= 4) return joined(static_cast<uint64_t>(n) + (half_word(text) << 3), half_word(text + n - 4));
  if (!n) return k2;
  const auto byte = [=](int64_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(text[i])); };
  const uint64_t y = byte(0) + (byte(n >> 1) << 8), z = static_cast<uint64_t>(n) + (byte(n - 1) << 2);
  return folded(y * k2 ^ z * k3) * k2;
}

uint64_t up_to_32(const char *text, int64_t n) {
  const uint64_t a = word(text) * k1, b = word(text + 8), c = word(text + n - 8) * k2, d = word(text + n - 16) * k0;
  return joined(turned(a - b, 43) + turned(c, 30) + d, a + turned(b ^ k3, 20) - c + static_cast<uint64_t>(n));
}

Two chained(uint64_t a, uint64_t second, uint64_t third, uint64_t last) {
  uint64_t b = turned(a + last, 52), c = turned(a, 37);
  a += second;
  c += turned(a, 7);
  a += third;
  return {a + last, b + turned(a, 31) + c};
}

uint64_t up_to_64(const char *text, int64_t n) {
  const char *const end = text + n;
  const Two v = chained(word(text) + (static_cast<uint64_t>(n) + word(end - 16)) * k0, word(text + 8), word(text + 16), word(text + 24));
  const Two w = chained(word(text + 16) + word(end - 32), word(end - 24), word(end - 16), word(end - 8));
  const uint64_t r = folded((v.first + w.second) * k2 + (w.first + v.second) * k0);
  return folded(r * k0 + v.second) * k2;
}

// 32 bytes mixed into two numbers.
Two weak(const char *text, uint64_t a, uint64_t b) {
  a += word(text);
  b = turned(b + a + word(text + 24), 21);
  const uint64_t c = a;
  a += word(text + 8) + word(text + 16);
  return {a + word(text + 24), b + turned(a, 44) + c};
}

uint64_t longer(const char *text, int64_t n) {
  const char *const end = text + n;
  uint64_t x = word(text), y = word(end - 16) ^ k1, z = word(end - 56) ^ k0;
  Two v = weak(end - 64, static_cast<uint64_t>(n), y), w = weak(end - 32, static_cast<uint64_t>(n) * k1, k0);
  z += folded(v.second) * k1;
  x = turned(z + x, 39) * k1;
  y = turned(y, 33) * k1;
  for (int64_t left = (n - 1) / 64; left > 0; left--, text += 64) {
    x = turned(x + y + v.first + word(text + 16), 37) * k1;
    y = turned(y + v.second + word(text + 48), 42) * k1;
    x ^= w.second;
    y ^= v.first;
    z = turned(z ^ w.first, 33);
    v = weak(text, v.second * k1, x + w.first);
    w = weak(text + 32, z + w.second, y);
    std::swap(x, z);
  }
  return joined(joined(v.first, w.first) + folded(y) * k1 + z, joined(v.second, w.second) + x);
}

} // namespace

uint64_t cityhash64(const char *text, int64_t n) {
  return n <= 16 ? up_to_16(text, n) : n <= 32 ? up_to_32(text, n) : n <= 64 ? up_to_64(text, n) : longer(text, n);
}
