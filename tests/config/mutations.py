"""Mistakes of every sort, made at random in a good campaign."""

from __future__ import annotations

import random
import string

WORDS = (
    "true", "false", "0", "-1", "1e400", "nan", "[]", "{}", '""', "''", "2025-01-01", "[[1]]", '["a", 1]', "f090",
    '"${nowhere.map}"', '"$NOT_SET_ANYWHERE"', '"~nobody/x"', '"\\u0000"', '"a/b"', '"../.."', '"-x"', "{ a = 1 }",
    "99999999999999999999", '"""', "'''", "64G", '"64 gigs"', "True", '"ml-null-tests"', '["maps"]', "# x",
)  # fmt: skip
KEYS = (
    "workflow", "matrix", "depends_on", "enabled", "resources", "environment", "options", "name", "path", "variant",
    "exclude", "defaults", "campaign", "context", "output_dir", "nsplits", "chunk_nobs", "kind", "belongs_to", "0",
)  # fmt: skip


def mutated(text: str, draw: random.Random) -> bytes:
    """Return a campaign with one to three mistakes in it."""
    content = text.encode()
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        content = draw.choice(MUTATIONS)(content, draw)
    return content


def delete_line(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    del lines[draw.randrange(len(lines))]
    return b"\n".join(lines)


def duplicate_line(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    index = draw.randrange(len(lines))
    lines.insert(draw.choice([index, draw.randrange(len(lines))]), lines[index])
    return b"\n".join(lines)


def swap_lines(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def retype_value(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    places = [index for index, line in enumerate(lines) if b"=" in line]
    if not places:
        return content
    index = draw.choice(places)
    key, _, _ = lines[index].partition(b"=")
    lines[index] = key + b"= " + draw.choice(WORDS).encode()
    return b"\n".join(lines)


def replace_key(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    places = [index for index, line in enumerate(lines) if b"=" in line]
    if not places:
        return content
    index = draw.choice(places)
    _, _, value = lines[index].partition(b"=")
    lines[index] = draw.choice(KEYS).encode() + b" =" + value
    return b"\n".join(lines)


def misspell(content: bytes, draw: random.Random) -> bytes:
    letters = [i for i, byte in enumerate(content) if chr(byte) in string.ascii_letters]
    if not letters:
        return content
    index = draw.choice(letters)
    change = draw.choice([b"", draw.choice(string.ascii_lowercase).encode(), content[index : index + 1] * 2])
    return content[:index] + change + content[index + 1 :]


def truncate(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def insert_bytes(content: bytes, draw: random.Random) -> bytes:
    index = draw.randrange(len(content) + 1)
    return content[:index] + draw.randbytes(draw.choice([1, 1, 2, 5])) + content[index:]


def insert_sign(content: bytes, draw: random.Random) -> bytes:
    index = draw.randrange(len(content) + 1)
    sign = draw.choice(
        ["[", "]", '"', "'", "=", ".", "#", "{", "}", "\n", "$", "\\", "-", "é", "\u2028", "\r", "\t"]
    )
    return content[:index] + sign.encode() + content[index:]


def delete_bytes(content: bytes, draw: random.Random) -> bytes:
    index = draw.randrange(len(content) + 1)
    return content[:index] + content[index + draw.randrange(1, 20) :]


def change_header(content: bytes, draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    headers = [index for index, line in enumerate(lines) if line.startswith(b"[")]
    if not headers:
        return content
    index = draw.choice(headers)
    name = lines[index].strip(b"[] ")
    parts = name.split(b".")
    lines[index] = draw.choice(
        [
            b"[[" + name + b"]]",
            b"[" + b".".join(parts[1:] or [b"x"]) + b"]",
            b"[" + b".".join([*parts, draw.choice(KEYS).encode()]) + b"]",
            b"[" + b".".join([*parts[:-1], draw.choice(KEYS).encode()]) + b"]",
            b"[" + b".".join([parts[0], *parts]) + b"]",
        ]
    )
    return b"\n".join(lines)


MUTATIONS = (
    delete_line,
    duplicate_line,
    swap_lines,
    retype_value,
    retype_value,
    replace_key,
    misspell,
    misspell,
    truncate,
    insert_bytes,
    insert_sign,
    delete_bytes,
    change_header,
)
