"""Random TOML documents, written in all the ways that TOML allows: headers, dotted keys, inline."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from socm.config.toml_text import toml_key, toml_value

BARE = st.text("abcdefXYZ019_-", min_size=1, max_size=8)
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8)
KEYS = st.one_of(BARE, BARE, BARE, ANY)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    ANY,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)


def written(data: dict[str, Any], seed: int) -> str:
    """Return a document of `data`, its style drawn from `seed`; every value stands on one line."""
    return _Writer(random.Random(seed)).document(data)


class _Writer:
    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.lines: list[str] = []

    def document(self, data: dict[str, Any]) -> str:
        self.table((), data)
        ending = self.draw.choice(["\n", "\r\n"])
        return ending.join(self.lines) + ending

    def table(self, path: tuple[str, ...], data: dict[str, Any]) -> None:
        below = []
        for key, value in data.items():
            if (isinstance(value, dict) and value and self.draw.random() < 0.6) or (
                _is_table_list(value) and self.draw.random() < 0.6
            ):
                below.append((key, value))
            else:
                self.pair((key,), value)
        for key, value in below:
            if isinstance(value, list):
                for entry in value:
                    self.header((*path, key), "[[", "]]")
                    self.table((*path, key), entry)
            else:
                self.header((*path, key), "[", "]")
                self.table((*path, key), value)

    def pair(self, keys: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and value and self.draw.random() < 0.5:
            for key, entry in value.items():
                self.pair((*keys, key), entry)
            return
        text = f"{self.space()}{self.dotted(keys)}{self.space()}={self.space()}{toml_value(value)}"
        self.lines.append(text + self.draw.choice(["", "", " # remark", "\t"]))
        self.blank()

    def header(self, path: tuple[str, ...], opening: str, closing: str) -> None:
        self.lines.append(f"{self.space()}{opening}{self.space()}{self.dotted(path)}{self.space()}{closing}")
        self.blank()

    def dotted(self, keys: tuple[str, ...]) -> str:
        return self.draw.choice([".", ".", " . "]).join(self.key(key) for key in keys)

    def key(self, key: str) -> str:
        quoted = toml_value(key)
        literal = f"'{key}'" if key.isprintable() and "'" not in key else quoted
        return self.draw.choice([toml_key(key), toml_key(key), quoted, literal])

    def space(self) -> str:
        return self.draw.choice(["", "", " ", "\t", "  "])

    def blank(self) -> None:
        self.lines += self.draw.choice([[], [], [""], ["# [not.a.table]"], ["   "]])


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
