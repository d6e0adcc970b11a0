// The primitives of the instruction set at hand, over which the kernels are written once.
//
// CMakeLists.txt names the header: SKT_SIMD is simd/baseline.h, avx2.h, avx512.h or neon.h, and SKT_ISA its namespace. Each of them has
//
//   choose(select, a, b)                 bits of a where `select` is set, else those of b
//   or_and(a, b, c)                      a | (b & c), of Bits and of a Register of them
//   bits_of_bytes(bytes, n_bits, out)    the lowest bits of 512 bytes, as n_bits planes
//   bytes_of_bits(slots, code, n, out)   and back: n planes, slots[code[0]] the lowest, as 512 bytes
//
//   Thresholds<kLevels, Value>           a search tree's thresholds, level by level
//   Values<kRightIfEqual, Value>         16 values of a column, as they are compared
//   Path<kLevels>                        how 16 searches went so far: at<kLevel>(thresholds) is what each compares with next,
//                                        turn<kLevel>(right) its next step, store(rank) the ranks in the end
//   kLevelsByStep<kLevels>               how many levels are gone through step by step; where these are not all,
//   Unfinished<kLevels, Value>           searches whose steps are done: keep(i, values, path, doubtful) has those of 16 values,
//                                        finish(i, x, thresholds, rank) gives their ranks, and the lanes in doubt
//   goes_right<kRightIfEqual>(x, t), equals(x, t), lanes_of(mask)
//   kRounds<Value>                       whether values are rounded to float32, so that equal ones have to be looked at again
//   Rounding                             whether float64 is rounded so on the way into tiles, kThere, and not by each search: load<kRightIfEqual>
//                                        is load_tile, round<kRightIfEqual>(x, n, out) does the same for values of a column
//
//   kTileRows<Feature>, Tile<Feature>, load_tile, store_tile   rows of X turned into columns in registers, where kTileRows is not 0
//   Sums<Acc>, place_of<Acc>             sums of some rows in registers, to which values of leaves are added, from place_of(the first row) on; where they stand
//   kShuffledBits<Acc>, ShuffledSums<Acc>   the same, for leaf numbers of so many bits or fewer, where another way is faster for these: of Tables,
//                                        which are made for up to kGroup pieces, if they are there
//   exponentials(table, x, n, out)       the C library's expf
//
//   entries_with_place<Index>(indices, n, place, n_places, entries)   those of n entries of sparse rows whose column has a place
//
//   Doubles, kDoubles                    a number of each of some rows, and how many these are; with the operators + - *
//   spread(x), fused(a, b, c)            the same for all of them; a * b + c, rounded once
//   Choice, choice_of(bits), pick(choice, if_set, if_clear)   the lowest bits, one a row, and what is chosen by them
//   gathered(from, index, otherwise)     from[index] of each, `otherwise` where the index is negative
//   kTableBits, TableOfDoubles<kBits>    a table of 2**kBits numbers in registers, for so many bits or fewer: at(numbers) looks up those of some rows
//   Numbers                              of 64 rows, made of bits: add(bits, bit) has the rows' bits of one weight; store(numbers)
//   exceeding_at(code, slot, key)        which of 16 codes, each in a slot of its own, exceed keys of their own, one bit each
//   exceeding(code, key)                 which of 64 codes exceed a key, one bit each; they begin where a cache line does
//
//   exit_of(block, answers)              the exit of a block
//   look_up_highest(table, n_bits, number, n, highest)   for each of n rows the greater one of what is there and an entry of a table of bytes, looked
//                                        up by numbers of so many bits
//   keep_below(bound, value, number, n, kept)   keeps those of n values that are below the bound, in their order, and their numbers, which are an array
//                                        (`kept` itself, too) or a Progression; how many there are. Up to kBeyondKept entries behind the n are touched.
//   kCodesInRegisters, RowInRegisters    a row's codes in registers, where there are instructions to look them up: arrange(codes) puts those of a
//                                        row in the order that answers(block) expects
//
// What more than one of them does the same way is in simd/portable.h. All have internal linkage, so that compilers inline them as if they stood
// in the file at hand.
#pragma once

#ifndef SKT_SIMD
#error "SKT_SIMD names the header of the instruction set"
#endif

#include SKT_SIMD
