// Interventional SHAP values, row of the background by row of the background.
#pragma once

#include <cstdint>

#include "scratch.h"
#include "sktensor.h"

constexpr int32_t kMostParted = 10000; // players over whom two rows may part on the way to a leaf, one in the other: there is a stack to hold them

bool shap_direct_fits(const skt_shap &);
void shap_codes(const skt_shap &, const skt_rows &, int32_t features, int64_t first, int64_t last, uint32_t *out);
void shap_direct(const skt_shap &, const skt_rows &, int32_t features, const uint32_t *others, int64_t n_others, int64_t first, int64_t last, double *out,
                 Scratch &);
