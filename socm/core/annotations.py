"""What a field's annotation says it may hold."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin


def classes_in(annotation: Any) -> Iterator[type]:
    """Yield the classes that an annotation names: those of a union, that under Annotated."""
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        for argument in get_args(annotation):
            yield from classes_in(argument)
    elif origin is Annotated:
        yield from classes_in(get_args(annotation)[0])
    elif isinstance(annotation, type):
        yield annotation
