"""The codec of a state: derived from the annotated attributes of a plain class, packed as msgpack.

An attribute may be an int, float, str, bool, bytes, a list, tuple, dict or set of such, an Optional of such, another
plain class with annotated attributes, or a part: a class with `pack() -> builtins` and a classmethod `unpack(value)`.
Equal states pack to equal bytes, whatever order their sets and dictionaries grew in.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from stream.errors import DamagedError

S = TypeVar("S")
Normal = Callable[[Any], Any]

_SCALARS: Final = (int, float, str, bool, bytes, NoneType)


class Codec(Generic[S]):
    """Packs and unpacks the states of one class.

    Raises TypeError, naming the attribute, for an annotation that has no codec.
    """

    def __init__(self, kind: type[S]) -> None:
        hints = {name: hint for name, hint in get_type_hints(kind).items() if get_origin(hint) is not ClassVar}
        self._kind = kind
        self._names = tuple(hints)
        self._read = attrgetter(*self._names) if len(self._names) > 1 else None
        self._inner: dict[Any, Codec[Any]] = {}
        normals = [_normal(hint, self._inner, f"{kind.__name__}.{name}") for name, hint in hints.items()]
        self._normals = [(index, normal) for index, normal in enumerate(normals) if normal is not None]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoder = msgspec.msgpack.Decoder(tuple[tuple(hints.values())], dec_hook=self._part)  # type: ignore[misc]  # the tuple's types are known at run time only

    def builtins(self, state: S) -> list[Any]:
        """The attributes' values, in the order of their definition, as msgpack can write them."""
        values = list(self._read(state)) if self._read is not None else [getattr(state, name) for name in self._names]
        for index, normal in self._normals:
            values[index] = normal(values[index])
        return values

    def pack(self, state: S) -> bytes:
        """The state as bytes."""
        return self._encode(self.builtins(state))

    def unpack(self, packed: bytes) -> S:
        """The state that bytes hold. Raises DamagedError where they do not fit the class."""
        try:
            values = self._decoder.decode(packed)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise DamagedError(
                f"a packed {self._kind.__name__} cannot be read ({error})",
                hint="the detector changed its state without a new state_version",
            ) from error
        return self.fill(values)

    def fill(self, values: Sequence[Any]) -> S:
        """A state with these attribute values; its constructor is not called."""
        state = self._kind.__new__(self._kind)
        for name, value in zip(self._names, values, strict=True):
            setattr(state, name, value)
        return state

    def _part(self, kind: type[Any], value: Any) -> Any:
        codec = self._inner.get(kind)
        return codec.unpack(msgspec.msgpack.encode(value)) if codec is not None else kind.unpack(value)


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


def _optional(normal: Normal, value: Any) -> Any:
    return None if value is None else normal(value)


def _each(normal: Normal, values: Any) -> Any:
    return [normal(value) for value in values]


def _tuple(normals: list[Normal | None], values: Any) -> Any:
    return [value if normal is None else normal(value) for normal, value in zip(normals, values, strict=True)]


def _mapping(normal: Normal | None, values: Any) -> Any:
    return {key: values[key] if normal is None else normal(values[key]) for key in sorted(values)}
