"""Classes that users write themselves: what they raise, or return wrongly, is reported as theirs."""

from __future__ import annotations

import linecache
import reprlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import wraps
from pathlib import Path
from types import FunctionType, NoneType, UnionType
from typing import Any, Self, Union, get_args, get_origin

import pydantic
import pydantic_core

from socm.diagnostics import DiagnosticError

_NOT_THEIRS = (
    str(Path(__file__).parent.parent),
    str(Path(pydantic.__file__).parent),
    str(Path(pydantic_core.__file__).parent),
    "<frozen ",
)
_MOST_LINES = 12
_AS_GOOD: Mapping[Any, type] = {tuple: Sequence, frozenset: Set, Iterator: Iterable}
"""What a method may return as well as the class that its annotation names."""


def is_ours(kind: type) -> bool:
    """Return whether a class is socm's, and none of a user's."""
    return kind.__module__.partition(".")[0] == "socm"


def watch(kind: type) -> None:
    """Let the methods that a user's class overrides report what they raise and what they wrongly return.

    Raises TypeError for an attribute of the class that isn't of the type that socm's class says.
    """
    if is_ours(kind):
        return
    for name, member in tuple(vars(kind).items()):
        base = next((one for one in kind.__mro__[1:] if is_ours(one) and name in vars(one)), None)
        if base is None or name.startswith("_"):
            continue
        if isinstance(member, FunctionType):
            setattr(kind, name, _watched(member, kind, _promise(vars(base)[name])))
        elif isinstance(member, classmethod):
            setattr(kind, name, classmethod(_watched(member.__func__, kind, _promise(vars(base)[name]))))
        elif isinstance(member, property) and member.fget is not None:
            setattr(kind, name, property(_watched(member.fget, kind, _promise(vars(base)[name]))))
        elif (said := base.__annotations__.get(name, "")).startswith("ClassVar"):
            (hint,) = get_args(_evaluated(said, base.__module__))
            if not fits(member, hint):
                raise TypeError(f"{name} of {kind.__name__} is {member!r}, not {said[9:-1]}")


def lacks(workflow: Any, method: str, what: str) -> DiagnosticError:
    """Return the error that a user's class doesn't define a method, which would say `what`."""
    kind = type(workflow)
    return DiagnosticError.of(
        "workflow-lacks-method",
        f"the class {kind.__name__} of `{workflow.name}` has no {method}",
        point_at="key",
        hint=f"define {method}, which returns {what}",
        notes=_place_of_class(kind),
    )


def _place_of_class(kind: type) -> tuple[str, ...]:
    """Return where a user's class begins, as a line of notes; nothing where it isn't known."""
    theirs = next((one for one in kind.__mro__ if not is_ours(one)), None)
    file = getattr(sys.modules.get(theirs.__module__ if theirs else ""), "__file__", None)
    if theirs is None or file is None:
        return ()
    for number, line in enumerate(linecache.getlines(file), 1):
        if line.strip().startswith(f"class {theirs.__name__}"):
            return (f"{_shown(file, Path(file).parent)}:{number}: {line.strip()}",)
    return ()


def _promise(member: Any) -> tuple[Any, str]:
    """Return the type that a method of socm's returns, and how its code writes it."""
    function = getattr(member, "fget", None) or getattr(member, "__func__", member)
    said = function.__annotations__["return"]
    return _evaluated(said, function.__module__), said


def _evaluated(annotation: str, module: str) -> Any:
    from socm.core import jobs

    return eval(annotation, {**vars(jobs), **vars(sys.modules[module])})  # noqa: S307 -- our own annotation


def _watched(function: Callable[..., Any], kind: type, promise: tuple[Any, str]) -> Callable[..., Any]:
    """Return a method of a user's class that raises DiagnosticError for all that goes wrong in it."""
    hint, said = promise
    hint = kind if hint is Self else hint
    is_lazy = get_origin(hint) in {Iterator, Iterable}
    code = function.__code__
    place = f"{_shown(code.co_filename, folder := Path(code.co_filename).parent)}:{code.co_firstlineno}"

    @wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        whose = kind.__name__ if isinstance(self, type) else f"`{self.name}` ({kind.__name__})"
        try:
            value = function(self, *args, **kwargs)
            if is_lazy and isinstance(value, Iterable):
                # What a generator raises, it raises when it is read.
                value = tuple(value)
        except (KeyboardInterrupt, DiagnosticError):
            raise
        except BaseException as error:  # noqa: BLE001 -- a method may even call exit()
            raise DiagnosticError.of(
                "workflow-raises",
                f"{function.__name__} of {whose} raises {describe_error(error)}",
                point_at="key",
                notes=their_lines(error, folder) or (f"{place}, in {function.__name__}",),
            ) from None
        if not fits(value, hint):
            raise DiagnosticError.of(
                "wrong-return",
                f"{function.__name__} of {whose} returns {reprlib.repr(value)}",
                point_at="key",
                hint=f"it returns {said}",
                notes=(f"{place}, in {function.__name__}",),
            )
        return iter(value) if is_lazy else value

    return method


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of the type that an annotation says, to the last element."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in {Union, UnionType}:
        return any(fits(value, one) for one in args)
    if origin is type:
        return isinstance(value, type) and issubclass(value, args[0])
    if origin is None:
        if hint is float:
            return isinstance(value, int | float) and not isinstance(value, bool)
        return value is None if hint in {None, NoneType} else isinstance(value, hint)
    if not isinstance(value, _AS_GOOD.get(origin, origin)) or isinstance(value, str | bytes):
        return False
    if issubclass(origin, Mapping):
        return all(fits(key, args[0]) and fits(one, args[1]) for key, one in value.items())
    if origin is tuple and args[-1] is not Ellipsis:
        return len(value) == len(args) and all(map(fits, value, args))
    return all(fits(one, args[0]) for one in value)


def describe_error(error: BaseException) -> str:
    """Return an exception's class and the first line of what it says."""
    said = str(error).strip().splitlines()
    if isinstance(error, pydantic.ValidationError):
        said = ["; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())]
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def their_lines(error: BaseException, base: Path | None = None) -> tuple[str, ...]:
    """Return the part of a traceback that is not socm's, pydantic's or the interpreter's.

    A line is ``file:line, in function: source``, the innermost last; files are relative to `base`.
    """
    if isinstance(error, SyntaxError) and error.filename and not error.filename.startswith(_NOT_THEIRS):
        source = (error.text or "").strip()
        return (f"{_shown(error.filename, base)}:{error.lineno}: {source}",)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_THEIRS)
    ]
    return tuple(
        f"{_shown(frame.filename, base)}:{frame.lineno}, in {frame.name}: {frame.line}"
        for frame in frames[-_MOST_LINES:]
    )


def _shown(filename: str, base: Path | None) -> str:
    path = Path(filename)
    for folder in (base, Path.cwd()):
        if folder is not None and path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)
