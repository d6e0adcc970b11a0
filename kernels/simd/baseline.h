// Any processor that compilers know, and x86-64 as it was in the beginning.
#pragma once

#include "portable.h"

#if defined(__SSE2__)
#include "sse2.h"
#endif

namespace SKT_ISA {
namespace {

using portable::bits_of_bytes;
using portable::bytes_of_bits;
using portable::Choice;
using portable::choice_of;
using portable::choose;
using portable::entries_with_place;
using portable::Doubles;
using portable::exceeding;
using portable::exceeding_at;
using portable::exponentials;
using portable::fused;
using portable::gathered;
using portable::goes_right;
using portable::kBeyondKept;
using portable::kCodesInRegisters;
using portable::kDoubles;
using portable::keep_below;
using portable::kRounds;
using portable::Rounding;
using portable::kShuffledBits;
using portable::kLevelsByStep;
using portable::kTableBits;
using portable::look_up_highest;
using portable::kTileRows;
using portable::lanes_of;
using portable::load_tile;
using portable::Mask;
using portable::Numbers;
using portable::or_and;
using portable::Path;
using portable::pick;
using portable::place_of;
using portable::RowInRegisters;
using portable::ShuffledSums;
using portable::spread;
using portable::store_tile;
using portable::Sums;
using portable::TableOfDoubles;
using portable::Thresholds;
using portable::Tile;
using portable::Unfinished;
using portable::Values;

#if defined(__SSE2__)
using sse2::exit_of;
#else
using portable::exit_of;
#endif

} // namespace
} // namespace SKT_ISA
