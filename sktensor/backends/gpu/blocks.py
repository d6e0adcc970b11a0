"""The shape of a block: how many threads walk how many rows each, and what a block keeps in shared memory.

Which shape is fastest is what a device has to tell (benchmarks/gpu.py); these are chosen by arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sktensor.backends.gpu.tables import FEATURES, ForestTables, Staging

__all__ = ["FEW", "STAGE_BYTES", "Block", "FewBlock", "blocks", "few_blocks", "staging"]

# Shared memory in front of the codes: for rows and thresholds while codes are made, then for nodes.
STAGE_BYTES = 24 * 1024

# Rows that pass through it at a time, by the bytes of a number.
CHUNK = {4: 64, 8: 32}

REGISTERS = 65536  # of a processor
MOST_BLOCKS = 16  # on a processor at the same time, on the smallest ones

# Registers that a thread may take: kernels with several sums a row need more.
SCALAR_REGISTERS, VECTOR_REGISTERS = 64, 128

# Outputs of leaves with several values that a thread sums at once.
OUTPUTS_AT_ONCE = 4

# Up to so many rows a processor the kernel for few rows is taken: the other one would leave most of them idle.
FEW_PER_PROCESSOR = 128
MOST_LOG_ROWS = 5


@dataclass(frozen=True)
class Block:
    """A block of the kernel for many rows."""

    threads: int
    rows_per_thread: int

    @property
    def n_rows(self) -> int:
        """Rows that a block takes at a time."""
        return self.threads * self.rows_per_thread

    def chunk(self, feature_bytes: int) -> int:
        """Rows that pass through the buffer at a time."""
        return min(CHUNK[feature_bytes], self.threads)

    def shared_bytes(self, tables: ForestTables) -> int:
        """Shared memory that it takes."""
        return STAGE_BYTES + max(tables.n_columns, 1) * self.n_rows * tables.code_bytes


# With codes of one byte, four of a thread share a word of shared memory.
BLOCKS = tuple(Block(threads, 4) for threads in (512, 256, 128, 64, 32))

# Threads of a block of the kernel for few rows.
FEW = 256


@dataclass(frozen=True)
class FewBlock:
    """A block of the kernel for few rows."""

    log_rows: int

    @property
    def n_rows(self) -> int:
        """Rows that a block takes at a time."""
        return 1 << self.log_rows

    def shared_bytes(self, tables: ForestTables) -> int:
        """Shared memory that it takes."""
        reached = 4 if tables.is_vector else tables.base.dtype.itemsize
        return FEW * reached + (max(tables.n_columns, 1) << self.log_rows) * tables.code_bytes


def staging(feature_bytes: int) -> Staging:
    """The room for nodes, and for thresholds beside the buffer of rows, whatever the block."""
    buffer_bytes = CHUNK[feature_bytes] * (FEATURES + 1) * feature_bytes
    return Staging(STAGE_BYTES, (STAGE_BYTES - buffer_bytes) // feature_bytes)


def outputs_at_once(tables: ForestTables) -> int:
    """Outputs that a thread sums at once where leaves have several values, a power of two; 0 where they have one."""
    if not tables.is_vector:
        return 0
    return int(min(OUTPUTS_AT_ONCE, 1 << (tables.n_outputs - 1).bit_length()))


def blocks(tables: ForestTables, shared_bytes: int) -> Iterator[Block]:
    """The shapes for which a device has enough shared memory, the largest first."""
    for block in BLOCKS:
        if block.shared_bytes(tables) <= shared_bytes and (block.threads <= 256 or not tables.is_vector):
            yield block


def few_blocks(tables: ForestTables, shared_bytes: int) -> Iterator[FewBlock]:
    """The same of the kernel for few rows."""
    for log_rows in range(MOST_LOG_ROWS, -1, -1):
        if (block := FewBlock(log_rows)).shared_bytes(tables) <= shared_bytes:
            yield block


def min_blocks(threads: int, is_vector: bool) -> int:
    """Blocks that a processor should have registers for at the same time."""
    of_a_thread = VECTOR_REGISTERS if is_vector else SCALAR_REGISTERS
    return min(MOST_BLOCKS, max(1, REGISTERS // (of_a_thread * threads)))


def best_block(tables: ForestTables, shared_bytes: int, n_processors: int, n_rows: int) -> Block | FewBlock | None:
    """The shape for so many rows; None where the device has not enough shared memory for any.

    Of those that keep the most threads busy on a processor the largest one, which copies the fewest nodes; but no
    larger than that every processor has a block.
    """
    many, few = list(blocks(tables, shared_bytes)), list(few_blocks(tables, shared_bytes))
    if few and (n_rows <= FEW_PER_PROCESSOR * n_processors or not many):
        wanted = max(0, (-(-n_rows // n_processors) - 1).bit_length())
        return min(few, key=lambda block: abs(block.log_rows - wanted))
    if not many:
        return None

    def busy(block: Block) -> int:
        by_memory = shared_bytes // block.shared_bytes(tables)
        return block.threads * min(by_memory, min_blocks(block.threads, tables.is_vector))

    most = max(map(busy, many))
    fitting = [block for block in many if busy(block) == most]
    enough = [block for block in fitting if block.n_rows * n_processors <= n_rows]
    return enough[0] if enough else fitting[-1]
