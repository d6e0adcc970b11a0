// Trees whose nodes compare values of X themselves.
#pragma once

#include <cstdint>

#include "sktensor.h"

int32_t check_walk(const skt_walk &tables);
const char *walk_message(int32_t error);

void walk_sums(const skt_walk &, const skt_rows &, int32_t features, int64_t first, int64_t last, void *out);
void walk_leaves(const skt_walk &, const skt_rows &, int32_t features, int64_t first, int64_t last, int32_t *out);

// Rows that are looked through together before they are walked: so few that the cache still holds them then.
int64_t walk_rows_at_once(const skt_rows &);
