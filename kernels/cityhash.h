// The hash by which CatBoost knows categories.
#pragma once

#include <cstdint>

uint64_t cityhash64(const char *text, int64_t n);
