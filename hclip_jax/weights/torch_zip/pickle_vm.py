"""A pickle followed as data: of its instructions those that build plain values, none that runs code.

`pickle.Unpickler` is not used, even with its names restricted: by its memo, its lengths and its hashing
a hostile file can make it take all memory or crash.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hclip_jax.weights.lazy_array import LazyArray

# A checkpoint of a thousand tensors with its optimizer takes 160,000 steps.
_MOST_STEPS = 4_000_000
_MOST_DEPTH = 64
_LONGEST_NAME = 1000
_LONGEST_INTEGER = 64  # bits

_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
_LITERALS |= {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

ADVICE = "only plain tensors, numbers, text, lists and dicts are read: save the model's state_dict()"

T = TypeVar("T")


class Refused(Exception):  # noqa: N818  (what befell the file, not an error of ours)
    """The file wants what no weights need; the text goes on from the file's name."""


class Module(dict[str, Any]):
    """A TorchScript module: its attributes by name."""


# The classes that data may have.
_LEAVES = {str, int, float, bool, bytes, type(None), LazyArray}
_CONTAINERS = {dict, list, tuple, Module}


@dataclass(frozen=True)
class Function:
    """What the pickle may call: only these, and only with a tuple of arguments."""

    name: str
    call: Callable[[tuple], Any]


def run_pickle(data: bytes, find: Callable[[str], Any], persistent: Callable[[Any], Any]) -> Any:
    """The plain value that a pickle describes.

    Args:
        data: the pickle, of any protocol from 2.
        find: what a dotted global name stands for: a `Function`, the class `Module`, or what `persistent`
            and the functions understand; raises `Refused` for any other name.
        persistent: what a persistent id stands for.

    Returns:
        Nested dicts (keys are printable text or int), lists, tuples, numbers, text, bytes, None and
        `LazyArray`, without cycles, at most 64 levels deep. Parts may be shared.

    Raises:
        Refused: an instruction, name or value that is not data, or too much of it.
        ValueError, IndexError: the pickle is broken.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    steps = 0

    def since_mark() -> list[Any]:
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    for operation, argument, _ in pickletools.genops(data):
        steps += 1
        if steps > _MOST_STEPS:
            raise Refused(f"takes more than {_MOST_STEPS} steps to read, which no weights need")
        name = operation.name
        if name in _LITERALS:
            stack.append(_literal(argument))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        else:
            match name:
                case "PROTO" | "FRAME" | "STOP":
                    pass
                case "MARK":
                    marks.append(len(stack))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    if argument not in memo:
                        raise ValueError(f"its pickle recalls {argument}, which it never stored")
                    stack.append(memo[argument])
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    stack.append(tuple([stack.pop() for _ in range(int(name[-1]))][::-1]))
                case "TUPLE":
                    stack.append(tuple(since_mark()))
                case "EMPTY_LIST":
                    stack.append([])
                case "APPEND" | "APPENDS":
                    values = [stack.pop()] if name == "APPEND" else since_mark()
                    expect(stack[-1], list).extend(values)
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM" | "SETITEMS":
                    values = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else since_mark()
                    target = expect(stack[-1], dict)
                    for key, value in zip(values[::2], values[1::2], strict=True):
                        target[_key(key)] = value
                case "GLOBAL":
                    stack.append(find(expect(argument, str).replace(" ", ".")))
                case "STACK_GLOBAL":
                    attribute, module = short_text(stack.pop()), short_text(stack.pop())
                    stack.append(find(f"{module}.{attribute}"))
                case "BINPERSID":
                    stack.append(persistent(stack.pop()))
                case "REDUCE":
                    arguments = expect(stack.pop(), tuple)
                    stack.append(expect(stack.pop(), Function).call(arguments))
                case "NEWOBJ":
                    arguments, made = expect(stack.pop(), tuple), stack.pop()
                    if arguments or made is not Module:
                        raise ValueError("its pickle makes an object that is not a TorchScript module")
                    stack.append(Module())
                case "BUILD":
                    state, target = stack.pop(), stack[-1]
                    # A dict's own state is the `_metadata` of a state dict: versions of layers.
                    if type(target) is not dict:
                        attributes = expect(state, dict)
                        steps += len(attributes)
                        expect(target, Module).update(attributes)
                case _:
                    raise Refused(f"uses the pickle instruction {name}, which no weights need; {ADVICE}")
    value = stack.pop()
    _check_plain(value, 0, {})
    return value


def expect(value: Any, kind: type[T]) -> T:
    """The value, which must be of just this class.

    Raises:
        ValueError: it is of another class.
    """
    if type(value) is not kind:
        raise ValueError(f"its pickle has a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def short_text(value: Any) -> str:
    """The value, which must be text of at most 1000 characters: a name.

    Raises:
        ValueError: it is not.
    """
    if len(expect(value, str)) > _LONGEST_NAME:
        raise ValueError(f"its pickle has a name of {len(value)} characters")
    return value


def _literal(value: Any) -> Any:
    if type(value) is int and value.bit_length() > _LONGEST_INTEGER:
        raise Refused(f"holds an integer of {value.bit_length()} bits; at most {_LONGEST_INTEGER} are read")
    return value


def _key(key: Any) -> str | int:
    if type(key) is int or (type(key) is str and short_text(key).isprintable()):
        return key
    raise Refused(f"has a {type(key).__name__} as a key that is neither printable text nor an integer")


def _check_plain(value: Any, level: int, heights: dict[int, int]) -> int:
    """How deep a value nests, each shared part looked at once; cycles are as deep as can be."""
    if type(value) in _LEAVES:
        return 0
    if type(value) not in _CONTAINERS:
        raise Refused(f"holds a {type(value).__name__} by itself, which is not data; {ADVICE}")
    height = heights.get(id(value))
    if height is None and level < _MOST_DEPTH:
        parts = value.values() if isinstance(value, dict) else value
        height = 1 + max((_check_plain(part, level + 1, heights) for part in parts), default=0)
        heights[id(value)] = height
    if height is None or level + height > _MOST_DEPTH:
        raise Refused(f"nests deeper than {_MOST_DEPTH} levels, which no weights do")
    return height
