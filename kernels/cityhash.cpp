// CityHash64 of text in the version 1.0.2, from the description of the algorithm (G. Pike and J. Alakuijala, 2011); the
// helpers have its names. sktensor/inputs/cityhash.py says the same more slowly.
#include <cstdint>
#include <cstring>
#include <utility>

#include "cityhash.h"

namespace {

constexpr uint64_t k0 = 0xC3A5C85C97CB3127, k1 = 0xB492B66FBE98F273, k2 = 0x9AE16A3B2F90404F, k3 = 0xC949D7C7509E6557;
constexpr uint64_t kMul = 0x9DDFEA08EB382D69;

using uint128 = std::pair<uint64_t, uint64_t>;

uint64_t Fetch64(const char *at) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

uint64_t Fetch32(const char *at) {
  uint64_t value = 0;
  for (int i = 3; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

uint64_t Rotate(uint64_t value, int64_t bits) { return bits % 64 ? value >> (bits % 64) | value << (64 - bits % 64) : value; }

uint64_t ShiftMix(uint64_t value) { return value ^ value >> 47; }

uint64_t HashLen16(uint64_t low, uint64_t high) { return ShiftMix((high ^ ShiftMix((low ^ high) * kMul)) * kMul) * kMul; }

uint64_t HashLen0to16(const char *text, int64_t n) {
  if (n > 8) {
    const uint64_t last = Fetch64(text + n - 8);
    return HashLen16(Fetch64(text), Rotate(last + static_cast<uint64_t>(n), n)) ^ last;
  }
  if (n >= 4) return HashLen16(static_cast<uint64_t>(n) + (Fetch32(text) << 3), Fetch32(text + n - 4));
  if (!n) return k2;
  const auto byte = [=](int64_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(text[i])); };
  const uint64_t y = byte(0) + (byte(n >> 1) << 8), z = static_cast<uint64_t>(n) + (byte(n - 1) << 2);
  return ShiftMix(y * k2 ^ z * k3) * k2;
}

uint64_t HashLen17to32(const char *text, int64_t n) {
  const uint64_t a = Fetch64(text) * k1, b = Fetch64(text + 8), c = Fetch64(text + n - 8) * k2, d = Fetch64(text + n - 16) * k0;
  return HashLen16(Rotate(a - b, 43) + Rotate(c, 30) + d, a + Rotate(b ^ k3, 20) - c + static_cast<uint64_t>(n));
}

uint128 HashLen33to64Half(uint64_t a, uint64_t second, uint64_t third, uint64_t last) {
  uint64_t b = Rotate(a + last, 52), c = Rotate(a, 37);
  a += second;
  c += Rotate(a, 7);
  a += third;
  return {a + last, b + Rotate(a, 31) + c};
}

uint64_t HashLen33to64(const char *text, int64_t n) {
  const char *const end = text + n;
  const uint128 v = HashLen33to64Half(Fetch64(text) + (static_cast<uint64_t>(n) + Fetch64(end - 16)) * k0, Fetch64(text + 8), Fetch64(text + 16), Fetch64(text + 24));
  const uint128 w = HashLen33to64Half(Fetch64(text + 16) + Fetch64(end - 32), Fetch64(end - 24), Fetch64(end - 16), Fetch64(end - 8));
  const uint64_t r = ShiftMix((v.first + w.second) * k2 + (w.first + v.second) * k0);
  return ShiftMix(r * k0 + v.second) * k2;
}

// 32 bytes mixed into two numbers.
uint128 WeakHashLen32WithSeeds(const char *text, uint64_t a, uint64_t b) {
  a += Fetch64(text);
  b = Rotate(b + a + Fetch64(text + 24), 21);
  const uint64_t c = a;
  a += Fetch64(text + 8) + Fetch64(text + 16);
  return {a + Fetch64(text + 24), b + Rotate(a, 44) + c};
}

uint64_t HashLen65AndMore(const char *text, int64_t n) {
  const char *const end = text + n;
  uint64_t x = Fetch64(text), y = Fetch64(end - 16) ^ k1, z = Fetch64(end - 56) ^ k0;
  uint128 v = WeakHashLen32WithSeeds(end - 64, static_cast<uint64_t>(n), y), w = WeakHashLen32WithSeeds(end - 32, static_cast<uint64_t>(n) * k1, k0);
  z += ShiftMix(v.second) * k1;
  x = Rotate(z + x, 39) * k1;
  y = Rotate(y, 33) * k1;
  for (int64_t left = (n - 1) / 64; left > 0; left--, text += 64) {
    x = Rotate(x + y + v.first + Fetch64(text + 16), 37) * k1;
    y = Rotate(y + v.second + Fetch64(text + 48), 42) * k1;
    x ^= w.second;
    y ^= v.first;
    z = Rotate(z ^ w.first, 33);
    v = WeakHashLen32WithSeeds(text, v.second * k1, x + w.first);
    w = WeakHashLen32WithSeeds(text + 32, z + w.second, y);
    std::swap(x, z);
  }
  return HashLen16(HashLen16(v.first, w.first) + ShiftMix(y) * k1 + z, HashLen16(v.second, w.second) + x);
}

} // namespace

uint64_t cityhash64(const char *text, int64_t n) {
  return n <= 16 ? HashLen0to16(text, n) : n <= 32 ? HashLen17to32(text, n) : n <= 64 ? HashLen33to64(text, n) : HashLen65AndMore(text, n);
}
