"""The arguments of one call."""

from __future__ import annotations

from collections.abc import Sequence

from gradlint.static.values import Frame, Val
from gradlint.tape import Span


class Args:
    """The arguments of one call: its span, the calling frame, positional and keyword values, and whether there may be more."""

    __slots__ = ("frame", "keywords", "more", "positional", "rest", "span")

    def __init__(
        self, span: Span, frame: Frame, positional: Sequence[Val] = (), keywords: dict[str, Val] | None = None
    ) -> None:
        self.span = span
        self.frame = frame
        self.positional: list[Val] = list(positional)
        self.keywords: dict[str, Val] = dict(keywords or {})
        self.rest = False
        self.more: list[Val] = []

    def prepend(self, *values: Val) -> Args:
        """The same call with further arguments in front."""
        made = Args(self.span, self.frame, [*values, *self.positional], self.keywords)
        made.rest, made.more = self.rest, self.more
        return made

    def get(self, index: int, name: str = "", default: Val = None) -> Val:
        """An argument by position or name."""
        if 0 <= index < len(self.positional):
            return self.positional[index]
        return self.keywords.get(name, default)

    def has(self, index: int, name: str) -> bool:
        """Whether an argument was given."""
        return 0 <= index < len(self.positional) or name in self.keywords

    def all(self) -> list[Val]:
        """All values that were given."""
        return [*self.positional, *self.keywords.values(), *self.more]
