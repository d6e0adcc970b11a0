"""Draw one small tree as each strategy sees it, docs/strategy_*.svg. Usage: python -m docs.draw_strategies.

The tree is one of five leaves that scikit-learn grows on its diabetes data, and everything in the drawings is read from
the tables that the strategies compile of it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from docs import drawing as d
from sktensor import extract_forest
from sktensor.strategies import bitsliced, gemm, perfect_tree_traversal, tree_traversal
from sktensor.strategies.bitsliced.circuits import ONE, PLANES, ZERO
from sktensor.strategies.ranks import compile_ranks

FOLDER = Path(__file__).parent
LEFT, HIT, QUIET = 22, "#fdba74", "#f1f5f9"
BIT = {0: "#f1f5f9", 1: "#7dd3fc"}


class Example:
    """The tree, its ranks, and the rows that are followed through it; the first of them is the one that is marked."""

    def __init__(self):
        from sklearn.datasets import load_diabetes
        from sklearn.tree import DecisionTreeRegressor

        X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        model = DecisionTreeRegressor(max_leaf_nodes=5, random_state=0).fit(X, y)
        self.names = list(X.columns)
        self.trees = extract_forest(model).trees
        _, self.column, self.rank = compile_ranks(self.trees)
        self.column_name = dict(zip(self.column.tolist(), (self.names[j] for j in self.trees.feature), strict=True))
        found = model.apply(X)
        order = list(dict.fromkeys(found.tolist()))
        firsts = [int(np.flatnonzero(found == leaf)[k]) for k in (0, 1) for leaf in order]
        marked = next(row for row in firsts if self._way(X.iloc[row].to_numpy())[-1][1] == self._third())
        self.rows = X.iloc[[marked, *(row for row in firsts if row != marked)][:8]].to_numpy()
        self.way = self._way(self.rows[0])

    def letter(self, leaf):
        """The leaf's name: A, B, C ... from left to right."""
        return "ABCDE"[self.in_order().index(int(leaf))]

    def in_order(self):
        """Numbers of the leaves from left to right."""

        def below(node):
            if node < 0:
                return [int(~node)]
            return below(self.trees.left[node]) + below(self.trees.right[node])

        return below(int(self.trees.root[0]))

    def _third(self):
        return ~self.in_order()[3]

    def _way(self, x):
        """The nodes on the row's way, each with the child that it takes."""
        node, way = int(self.trees.root[0]), []
        while node >= 0:
            right = x[self.trees.feature[node]] > self.trees.threshold[node]
            child = int((self.trees.right if right else self.trees.left)[node])
            way.append((node, child))
            node = child
        return way

    def question(self, node):
        """What a node asks, true on its right."""
        return f"{self.names[self.trees.feature[node]]} > {self.trees.threshold[node]:.4g}"

    def codes(self, x):
        """The row's ranks, by column of codes."""
        codes = {}
        for column, name in self.column_name.items():
            thresholds = sorted({t for t, c in zip(self.trees.threshold, self.column, strict=True) if c == column})
            codes[column] = sum(x[self.names.index(name)] > t for t in thresholds)
        return codes


def draw_tree(example):
    """The tree, with the marked row's way, and what becomes of its numbers."""
    trees, places, parts = example.trees, {}, []
    width = (d.WIDTH - 2 * LEFT) / len(example.in_order())

    def put(node, depth):
        if node < 0:
            x = LEFT + width * (example.in_order().index(~node) + 0.5)
        else:
            x = (put(int(trees.left[node]), depth + 1) + put(int(trees.right[node]), depth + 1)) / 2
        places[node] = x, 58 + 78 * depth
        return x

    put(int(trees.root[0]), 0)
    for node in [node for node in places if node >= 0]:
        for child, words in ((int(trees.left[node]), "no"), (int(trees.right[node]), "yes")):
            taken = (node, child) in example.way
            (x, y), (x1, y1) = places[node], places[child]
            parts.append(d.line((x, y), (x1, y1), stroke=d.RIGHT if taken else d.OTHER, width=4 if taken else 2))
            parts.append(d.text((x + x1) / 2 + (21 if x1 > x else -21), (y + y1) / 2, words, d.SOFT, size=14))
    for node, (x, y) in places.items():
        if node < 0:
            hit = node == example.way[-1][1]
            parts.append(d.cell(x - 34, y - 20, 68, 40, example.letter(~node), HIT if hit else d.LEAF, weight=600))
        else:
            asked = any(node == at for at, _ in example.way)
            parts.append(d.cell(x - 62, y - 18, 124, 36, example.question(node), HIT if asked else d.STEP))
    y = max(y for _, y in places.values()) + 60
    parts.append(d.text(LEFT, y, "A number's code: how many of its thresholds it exceeds", anchor="start", weight=600))
    codes = example.codes(example.rows[0])
    for column, name in sorted(example.column_name.items(), key=lambda pair: -pair[0]):
        y += 34
        value = example.rows[0][example.names.index(name)]
        asked = sorted({float(t) for t, c in zip(trees.threshold, example.column, strict=True) if c == column})
        words = f"{name} = {value:.4g}, thresholds {', '.join(f'{t:.4g}' for t in asked)}:"
        parts.append(d.text(LEFT, y, words, d.SOFT, anchor="start"))
        parts.append(d.cell(d.WIDTH - LEFT - 96, y - 20, 96, 28, f"code {codes[column]}", HIT))
    title = "A tree of four questions and five leaves, the way of one row, and the codes of its numbers"
    return d.drawing(title, y + 24, parts)


def draw_gemm(example):
    """The conditions of the marked row, the matrix of paths, and what their product says."""
    (bucket,) = gemm.compile(example.trees).buckets
    width = len(bucket.leaf)
    n_nodes, n_leaves = example.trees.n_nodes, example.trees.n_leaves
    path = (bucket.path[0] / width).astype(int)
    wanted = ((np.arange(width) - bucket.turns[0, :, 0]) / width).astype(int)
    codes = example.codes(example.rows[0])
    holds = [int(codes[int(c)] > int(r)) for c, r in zip(bucket.column, bucket.rank[:, 0], strict=True)][:n_nodes]
    x0, y0, w, h = 116, 92, 88, 34
    parts = [d.text(LEFT, 30, "1  All conditions, whether the row gets there or not", anchor="start", weight=600)]
    parts.append(d.text(LEFT, 116, "holds?", d.SOFT, anchor="start"))
    for j in range(n_nodes):
        name, _, threshold = example.question(j).partition(" ")
        parts.append(d.text(x0 + w * (j + 0.5), 62, name, size=15))
        parts.append(d.text(x0 + w * (j + 0.5), 82, threshold, size=15))
        parts.append(d.cell(x0 + w * j, y0, w, h, holds[j], BIT[holds[j]]))
    y = y0 + h + 48
    parts.append(d.text(LEFT, y, "2  Times the paths: 1 right of it, -1 left, 0 not asked", anchor="start", weight=600))
    y += 20
    for place in sorted(range(n_leaves), key=lambda place: example.letter(bucket.leaf[place])):
        product = int(path[place, :n_nodes] @ holds)
        hit = product == wanted[place]
        leaf = example.letter(bucket.leaf[place])
        parts.append(d.cell(LEFT, y, 60, h, leaf, HIT if hit else d.LEAF, weight=600))
        for j in range(n_nodes):
            value = int(path[place, j])
            fill = {0: d.PANEL, 1: "#fed7aa", -1: "#bae6fd"}[value]
            parts.append(d.cell(x0 + w * j, y, w, h, value, fill))
        parts.append(d.cell(x0 + w * n_nodes + 14, y, 62, h, f"{product} of {wanted[place]}", HIT if hit else d.PANEL))
        y += h
    last = "3  The row's leaf is the one that gets all its right turns"
    parts.append(d.text(LEFT, y + 36, last, anchor="start", weight=600))
    return d.drawing("The tree as matrices: conditions, paths, and the leaf that they agree on", y + 58, parts)


def _table(parts, x0, y, w, h, label, values, fills):
    """A row of a table, with its name in front."""
    parts.append(d.text(LEFT, y + h / 2 + 6, label, d.SOFT, anchor="start"))
    for k, (value, fill) in enumerate(zip(values, fills, strict=True)):
        parts.append(d.cell(x0 + w * k, y, w, h, value, fill, size=15))


def draw_tree_traversal(example):
    """The tables of nodes level by level, and the steps of the marked row."""
    (bucket,) = tree_traversal.compile(example.trees).buckets
    n, codes = len(bucket.child), example.codes(example.rows[0])
    is_leaf = [bucket.child[k] == k for k in range(n)]
    node, steps = 0, [0]
    for _ in range(bucket.depth):
        node = int(bucket.child[node]) + int(codes[int(bucket.column[node])] > int(bucket.rank[node]))
        steps.append(node)
    fills = [HIT if k in steps else d.LEAF if is_leaf[k] else d.STEP for k in range(n)]
    x0, w, h = 92, 50, 34
    parts = [d.text(LEFT, 30, "Nodes and leaves, level by level; siblings side by side", anchor="start", weight=600)]
    names = ["" if is_leaf[k] else example.column_name[int(bucket.column[k])] for k in range(n)]
    ranks = ["" if is_leaf[k] else int(bucket.rank[k]) for k in range(n)]
    leaves = [example.letter(bucket.leaf[k]) if is_leaf[k] else "" for k in range(n)]
    for k in range(n):
        parts.append(d.text(x0 + w * (k + 0.5), 62, k, d.SOFT, size=14))
    parts.append(d.text(LEFT, 62, "place", d.SOFT, anchor="start"))
    rows = (("column", names), ("rank", ranks), ("child", bucket.child.tolist()), ("leaf", leaves))
    for y, (label, values) in zip(range(72, 72 + 4 * h, h), rows, strict=True):
        _table(parts, x0, y, w, h, label, values, fills)
    y = 72 + 4 * h + 38
    parts.append(d.text(LEFT, y, "place = child[place] + (code > rank), once a level:", anchor="start", weight=600))
    for at, then in pairwise(steps):
        y += 28
        column, rank = int(bucket.column[at]), int(bucket.rank[at])
        words = f"{at}: {bucket.child[at]} + ({example.column_name[column]} {codes[column]} > {rank}) = {then}"
        parts.append(d.text(LEFT + 20, y, words, anchor="start", code=True))
    y += 30
    parts.append(d.text(LEFT, y, "A leaf points to itself, and waits for deeper trees.", d.SOFT, anchor="start"))
    return d.drawing("The tree as tables that are walked a level at a time", y + 22, parts)


def draw_perfect_tree_traversal(example):
    """The tree filled up to a perfect one, and the steps of the marked row."""
    (bucket,) = perfect_tree_traversal.compile(example.trees).buckets
    codes, node, parts = example.codes(example.rows[0]), 0, []
    full, h = d.WIDTH - 2 * LEFT, 38
    parts.append(d.text(LEFT, 30, "Filled up to its depth: every level is full", anchor="start", weight=600))
    real = {0: {int(example.trees.root[0]): 0}}
    y, words = 46, []
    for depth, level in enumerate(bucket.levels):
        w = full / len(level.column)
        for k in range(len(level.column)):
            asks = k in real[depth].values()
            name = f"{example.column_name[int(level.column[k])]} > {int(level.rank[k])}" if asks else ""
            fill = HIT if k == node else d.STEP if asks else QUIET
            parts.append(d.cell(LEFT + w * k, y, w, h, name, fill, size=15))
        below = {}
        for at, k in real[depth].items():
            for child, place in ((int(example.trees.left[at]), 2 * k), (int(example.trees.right[at]), 2 * k + 1)):
                if child >= 0:
                    below[child] = place
        real[depth + 1] = below
        column, rank = int(level.column[node]), int(level.rank[node])
        then = 2 * node + int(codes[column] > rank)
        words.append(f"2 * {node} + ({example.column_name[column]} {codes[column]} > {rank}) = {then}")
        node, y = then, y + h + 8
    w = full / len(bucket.leaf)
    for k, leaf in enumerate(bucket.leaf):
        parts.append(d.cell(LEFT + w * k, y, w, h, example.letter(leaf), HIT if k == node else d.LEAF, weight=600))
        parts.append(d.text(LEFT + w * (k + 0.5), y + h + 18, k, d.SOFT, size=14))
    y += h + 52
    step = "place = 2 * place + (code > rank): no children to look up"
    parts.append(d.text(LEFT, y, step, anchor="start", weight=600))
    for word in words:
        y += 28
        parts.append(d.text(LEFT + 20, y, word, anchor="start", code=True))
    y += 30
    parts.append(d.text(LEFT, y, "What is filled in leads to the same leaf on both sides.", d.SOFT, anchor="start"))
    return d.drawing("The tree filled up to a perfect one", y + 22, parts)


def draw_bitsliced(example):
    """Planes of bits, one for each question, the multiplexers over them, and the look-up of the code."""
    tables = bitsliced.compile(example.trees)
    codes = [example.codes(x) for x in example.rows]
    n = len(codes)
    x0, w, h = 236, 38, 32
    values, names = {ZERO: [0] * n, ONE: [1] * n}, {ZERO: "0", ONE: "1"}
    parts = [d.text(LEFT, 30, f"1  A plane a question, a bit a row: {n} of 512 rows", anchor="start", weight=600)]

    def bits(y, label, number):
        parts.append(d.text(LEFT, y + 21, f"{names[number]}: {label}", anchor="start"))
        for k, bit in enumerate(values[number]):
            parts.append(d.cell(x0 + w * k, y, w, h, bit, HIT if k == 0 and bit else BIT[bit], size=15))

    y = 46
    for plane, (column, rank) in enumerate(zip(tables.plane_column, tables.plane_rank, strict=True)):
        number = PLANES + plane
        values[number] = [int(code[int(column)] > int(rank)) for code in codes]
        names[number] = "pqrstuv"[plane]
        bits(y, f"{example.column_name[int(column)]} code > {rank}", number)
        y += h
    y += 38
    parts.append(d.text(LEFT, y, "2  Multiplexers, on whole planes: no branch", anchor="start", weight=600))
    y += 14
    for mux, operands in enumerate(zip(tables.select, tables.if_set, tables.if_clear, strict=True)):
        select, if_set, if_clear = (int(value) for value in operands)
        number = PLANES + len(tables.plane_rank) + mux
        chosen = zip(values[select], values[if_set], values[if_clear], strict=True)
        values[number] = [a if asked else b for asked, a, b in chosen]
        names[number] = "xyz"[mux]
        bits(y, f"{names[select]} ? {names[if_set]} : {names[if_clear]}", number)
        y += h
    y += 38
    wires = [int(value) for value in tables.piece_code[0, : int(tables.piece_bits[0])]]
    shown = " ".join(names[value] for value in reversed(wires))
    parts.append(d.text(LEFT, y, f"3  The bits {shown} are the leaf's number", anchor="start", weight=600))
    y += 14
    places = [sum(values[value][k] << bit for bit, value in enumerate(wires)) for k in range(n)]
    found = [example.letter(tables.leaf[place]) for place in places]
    parts.append(d.text(LEFT, y + 21, "number", anchor="start"))
    parts.append(d.text(LEFT, y + h + 21, "leaf, looked up", anchor="start"))
    for k in range(n):
        parts.append(d.cell(x0 + w * k, y, w, h, places[k], HIT if k == 0 else d.PANEL, size=15))
        parts.append(d.cell(x0 + w * k, y + h, w, h, found[k], HIT if k == 0 else d.LEAF, size=15, weight=600))
    for x, letter in zip(example.rows, found, strict=True):
        assert example.letter(~example._way(x)[-1][1]) == letter
    return d.drawing("The tree as a circuit over planes of bits", y + 2 * h + 22, parts)


def pictures():
    """The drawings by the name of their file."""
    example = Example()
    return {
        "strategy_tree.svg": draw_tree(example),
        "strategy_gemm.svg": draw_gemm(example),
        "strategy_tree_traversal.svg": draw_tree_traversal(example),
        "strategy_perfect_tree_traversal.svg": draw_perfect_tree_traversal(example),
        "strategy_bitsliced.svg": draw_bitsliced(example),
    }


if __name__ == "__main__":
    for name, picture in pictures().items():
        (FOLDER / name).write_text(picture, encoding="utf-8")
