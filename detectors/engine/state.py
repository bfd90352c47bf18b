"""The codec of a state: derived from the annotated attributes of a plain class, packed as msgpack.

An attribute may be an int, float, str, bool, bytes, a list, tuple, dict or set of such, an Optional of such, another
plain class with annotated attributes, or a part: a class with `pack() -> builtins` and a classmethod `unpack(value)`.
Equal states pack to equal bytes, whatever order their sets and dictionaries grew in.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Generic, TypeGuard, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from stream.errors import DamagedError

S = TypeVar("S")
Normal = Callable[[Any], Any]

_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})
_SCALARS: Final = (int, float, str, bool, bytes, NoneType)


class Codec(Generic[S]):
    """Packs and unpacks the states of one class; a state that is a part itself says how.

    Raises TypeError, naming the attribute, for an annotation that has no codec.
    """

    def __init__(self, kind: type[S]) -> None:
        self._whole: Any = kind if hasattr(kind, "pack") else None
        known = get_type_hints(kind) if self._whole is None else {}
        hints = {name: hint for name, hint in known.items() if get_origin(hint) is not ClassVar}
        self._kind = kind
        self._names = tuple(hints)
        self._read = attrgetter(*self._names) if len(self._names) > 1 else None
        self._inner: dict[Any, Codec[Any]] = {}
        normals = [_normal(hint, self._inner, f"{kind.__name__}.{name}") for name, hint in hints.items()]
        self._normals = [(index, _present(normal)) for index, normal in enumerate(normals) if normal is not None]
        makes = [_make(hint, self._inner) for hint in hints.values()]
        self._makes = [(index, make) for index, make in enumerate(makes) if make is not None and not _is_optional(make)]
        self._optional = [(index, _present(make)) for index, make in enumerate(makes) if _is_optional(make)]
        self._encode = msgspec.msgpack.Encoder().encode
        self.wire: Any = tuple[tuple(_wire(hint, self._inner) for hint in hints.values())]  # type: ignore[misc]  # the tuple's types are known at run time only
        self._decode = msgspec.msgpack.Decoder(self.wire).decode

    def builtins(self, state: S) -> list[Any]:
        """The attributes' values, in the order of their definition, as msgpack can write them."""
        values = list(self._read(state)) if self._read is not None else [getattr(state, name) for name in self._names]
        for index, normal in self._normals:
            value = values[index]
            # Most states are nearly empty, and what is None or empty is written as it stands.
            if value is not None and (value or value.__class__ not in _CONTAINERS):
                values[index] = normal(value)
        return values

    def pack(self, state: S) -> bytes:
        """The state as bytes."""
        return self._encode(cast(Any, state).pack() if self._whole is not None else self.builtins(state))

    def unpack(self, packed: bytes) -> S:
        """The state that bytes hold. Raises DamagedError where they do not fit the class."""
        try:
            if self._whole is not None:
                return cast(S, self._whole.unpack(msgspec.msgpack.decode(packed)))
            return self.fill(self._decode(packed))
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError) as error:
            raise DamagedError(
                f"a packed {self._kind.__name__} cannot be read ({error})",
                hint="the detector changed its state without a new state_version",
            ) from error

    def fill(self, decoded: Sequence[Any]) -> S:
        """A state with what was decoded of its attributes; its constructor is not called."""
        values = list(decoded)
        for index, make in self._makes:
            values[index] = make(values[index])
        for index, make in self._optional:
            if (value := values[index]) is not None:
                values[index] = make(value)
        state = self._kind.__new__(self._kind)
        for name, value in zip(self._names, values, strict=True):
            setattr(state, name, value)
        return state


def _wire(hint: Any, inner: Mapping[Any, Codec[Any]]) -> Any:
    """What an attribute is decoded as before its own type is made: plain classes as tuples, parts as they packed."""
    if hint in _SCALARS:
        return hint
    if isinstance(hint, type) and hint in inner:
        return inner[hint].wire
    if isinstance(hint, type) and hasattr(hint, "pack"):
        return Any
    origin, args = get_origin(hint), get_args(hint)
    wires = tuple(arg if arg is Ellipsis else _wire(arg, inner) for arg in args)
    if origin in (Union, UnionType):
        return Union[wires]  # noqa: UP007  # the types are known at run time only
    return origin[wires]


def _make(hint: Any, inner: Mapping[Any, Codec[Any]]) -> Normal | None:
    """What makes the attribute's own type of what was decoded; None where it already is."""
    if isinstance(hint, type) and hint in inner:
        return inner[hint].fill
    if isinstance(hint, type) and hasattr(hint, "pack"):
        return cast(Normal, hint.unpack)  # type: ignore[attr-defined]  # who packs unpacks: a part
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        made = next((make for arg in args if (make := _make(arg, inner)) is not None), None)
        return partial(_optional, made) if made is not None else None
    if origin is dict:
        item = _make(args[1], inner)
        return partial(_values, item) if item is not None else None
    if origin is list or (origin is tuple and Ellipsis in args):
        item = _make(args[0], inner)
        return partial(_each if origin is list else _all, item) if item is not None else None
    if origin is tuple:
        items = [_make(arg, inner) for arg in args]
        return partial(_tuple_of, items) if any(items) else None
    return None


def _normal(hint: Any, inner: dict[Any, Codec[Any]], where: str) -> Normal | None:
    """What brings a value into a form that msgpack writes the same way every time; None where it already is."""
    if hint in _SCALARS:
        return None
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        structured = [normal for arg in args if (normal := _normal(arg, inner, where)) is not None]
        if structured and len(args) > 2:
            raise TypeError(f"{where}: a union may hold one structured type and None")
        return partial(_optional, structured[0]) if structured else None
    if origin is list or (origin is tuple and Ellipsis in args):
        item = _normal(args[0], inner, where)
        return partial(_each, item) if item is not None else None
    if origin is tuple:
        items = [_normal(arg, inner, where) for arg in args]
        return partial(_tuple, items) if any(items) else None
    if origin in (set, frozenset) and args[0] in _SCALARS:
        return sorted
    if origin is dict and args[0] in _SCALARS:
        return partial(_mapping, _normal(args[1], inner, where))
    if isinstance(hint, type) and hasattr(hint, "pack"):
        return cast(Normal, hint.pack)
    if isinstance(hint, type) and getattr(hint, "__annotations__", None):
        codec = inner[hint] = Codec(hint)
        return codec.builtins
    raise TypeError(f"{where}: {hint!r} has no codec")


def _is_optional(normal: Normal | None) -> TypeGuard[partial[Any]]:
    return isinstance(normal, partial) and normal.func is _optional


def _present(normal: Normal) -> Normal:
    """What is to be called where the attribute is not None."""
    if _is_optional(normal):
        inner: Normal = normal.args[0]
        return inner
    return normal


def _optional(normal: Normal, value: Any) -> Any:
    return None if value is None else normal(value)


def _each(normal: Normal, values: Any) -> Any:
    return [normal(value) for value in values]


def _tuple(normals: list[Normal | None], values: Any) -> Any:
    return [value if normal is None else normal(value) for normal, value in zip(normals, values, strict=True)]


def _all(normal: Normal, values: Any) -> Any:
    return tuple([normal(value) for value in values])


def _tuple_of(normals: list[Normal | None], values: Any) -> Any:
    return tuple(_tuple(normals, values))


def _values(normal: Normal, values: Any) -> Any:
    return {key: normal(value) for key, value in values.items()}


def _mapping(normal: Normal | None, values: Any) -> Any:
    if normal is None:
        return dict(sorted(values.items())) if len(values) > 1 else values
    return {key: normal(values[key]) for key in sorted(values)}
