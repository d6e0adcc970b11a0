"""Path-dependent SHAP values of trees that ask few distinct questions, by tables over the answers."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sktensor.explain.lookup import LookupTables, questions
from sktensor.explain.tables import PathTables
from sktensor.forest import Trees
from sktensor.native import abi, loader

__all__ = ["pattern_tables"]

Array = npt.NDArray[Any]

MOST_QUESTIONS = 8  # of a tree
FEWER_QUESTIONS = 3  # than nodes: by this factor, below which walking is as fast
TABLE_BYTES = 32 * 2**20
TREES_TOGETHER = 256

# The code of a float32 is its bits, made monotone: that of 1.0 exceeds this one, that of 0.0 does not.
ONE_HALF = np.uint32(0x3F000000 | 0x80000000)


def pattern_tables(trees: Trees, paths: PathTables, n_players: int, walked: Any) -> LookupTables | None:
    """Tables over the answers to each tree's questions; None where trees are walked at less cost.

    Parameters
    ----------
    trees : Trees
        Whose values are asked for.
    paths : PathTables
        Of them.
    n_players : int
        How many players there are.
    walked : callable
        Makes the structure of the kernel that walks trees, of `paths`, codes, slots and keys of its nodes, and the
        number of players: what it gives for every set of answers is what the tables hold.
    """
    if paths.value.shape[1] != 1 or not paths.n_nodes or loader.library() is None:
        return None
    tree_question, question_node, question = questions(trees, paths)
    n_questions = np.diff(tree_question)
    if n_questions.max() > MOST_QUESTIONS or len(question_node) * FEWER_QUESTIONS > paths.n_nodes:
        return None
    tree = np.repeat(np.arange(paths.n_trees), np.diff(paths.tree_node))
    used, player = np.unique(paths.player, return_inverse=True)
    pairs, local = np.unique(tree * (len(used) + 1) + player, return_inverse=True)
    tree_player = np.searchsorted(pairs // (len(used) + 1), np.arange(paths.n_trees + 1))
    local = local - tree_player[tree]
    size = np.diff(tree_player) << n_questions
    if 8 * int(size.sum()) > TABLE_BYTES:
        return None

    table = [np.empty(0)]
    for first in range(0, paths.n_trees, TREES_TOGETHER):
        last = min(first + TREES_TOGETHER, paths.n_trees)
        found = _every_answer(paths, first, last, question, local, int(n_questions[first:last].max()), walked)
        for one in range(first, last):
            n = tree_player[one + 1] - tree_player[one]
            table.append(found[: 1 << n_questions[one], :n, one - first].T.ravel())

    begins = np.cumsum(size) - size
    groups = np.zeros(paths.n_trees, dtype=abi.LOOKUP_GROUP)
    groups["first_bit"], groups["n_bits"] = tree_question[:-1], n_questions
    groups["first_value"], groups["n_values"] = tree_player[:-1], np.diff(tree_player)
    groups["table"] = begins
    output = np.maximum(paths.tree_output, 0)[np.repeat(np.arange(paths.n_trees), np.diff(tree_player))]
    return LookupTables(
        tree_question=tree_question,
        question_node=question_node,
        tree_group=np.arange(paths.n_trees + 1),
        groups=groups,
        bit_condition=np.arange(len(question_node) + 1),
        condition=(np.arange(len(question_node)) - np.repeat(tree_question[:-1], n_questions)).astype(np.int32),
        target=(pairs % (len(used) + 1) * paths.n_outputs + output).astype(np.int32),
        table=np.concatenate(table),
        used=used.astype(np.int32),
        n_players=n_players,
        n_outputs=paths.n_outputs,
    )


def _every_answer(
    paths: PathTables, first: int, last: int, question: Array, local: Array, n_questions: int, walked: Any
) -> Array:
    """What some trees add for every set of answers, shape (2**n_questions, MOST_QUESTIONS, trees).

    Bit q of a row's number is its answer to question q: each question is a column of its own, each tree an output.
    """
    begin, end = paths.tree_node[first], paths.tree_node[last]
    here = slice(begin, end)

    def counted(node: Array) -> Array:
        return np.where(node >= 0, node - begin, node).astype(np.int32)

    some = replace(
        paths,
        n_outputs=last - first,
        tree_node=paths.tree_node[first : last + 1] - begin,
        root=counted(paths.root[first:last]),
        n_points=paths.n_points[first:last],
        tree_output=np.arange(last - first, dtype=np.int32),
        left=counted(paths.left[here]),
        right=counted(paths.right[here]),
        player=local[here].astype(np.int32),
        previous=counted(paths.previous[here]),
        **{name: getattr(paths, name)[here] for name in ("node", "depth", "share", "previous_right", "weight")},
    )
    column = np.arange(MOST_QUESTIONS, dtype=np.int32)
    codes = abi.filled(
        abi.CodesStructure,
        n_columns=MOST_QUESTIONS,
        n_codes=MOST_QUESTIONS,
        code_column=column,
        code_slot=column,
        code_nan=np.zeros(MOST_QUESTIONS, np.uint32),
        n_slots=16,
        n_base_slots=16,
    )
    key = np.full(end - begin, ONE_HALF)
    structure = walked(some, codes, question[here], key, MOST_QUESTIONS)
    answers = (np.arange(1 << n_questions)[:, None] >> column & 1).astype(np.float32)
    out = np.empty((len(answers), MOST_QUESTIONS, last - first))
    kernels: Any = loader.library()
    address, rows = ctypes.addressof(structure), loader.packed_rows(answers, None, -1.0)
    kernels.check(kernels.check_shap(address), "Tables for the CPU kernels do not hold together")
    kernels.check(kernels.run_shap(address, rows, abi.FLOAT32, loader.address(out), 1, kernels.isa))
    return out
