"""Numbers written past the graph: what `.data = v`, or a write under `no_grad`, brings into a tensor carries no gradient back.

Such a write is no edge: the tensor stays the leaf, or the result, that it was. It only tells where a gradient was lost that
is found to be missing anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradlint.engine.graph import Graph, Way
from gradlint.tape import Edge


def way(graph: Graph, roots: Sequence[int], target: int) -> Way | None:
    """From the target over the last write that came before a root's use of what was written."""
    for write in reversed(graph.writes):
        root = next((r for r in roots if _used_later(graph, write, r)), None)
        if root is not None and target in graph.towards(write.src):
            edges = (*graph.chain(target, write.src), write, *graph.chain(write.dst, root))
            return Way(target, edges, write)
    return None


def _used_later(graph: Graph, write: Edge, root: int) -> bool:
    towards = graph.towards(root)
    return any(e.time > write.time and e.dst in towards for e in graph.out[write.dst])
