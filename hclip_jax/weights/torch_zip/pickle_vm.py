"""A virtual machine for pickles that builds plain data and cannot run code; README.md has the reasons."""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hclip_jax.weights.lazy_array import LazyArray

_MAX_STEPS = 600_000  # a second; a checkpoint of a thousand tensors with its optimizer takes 160,000
_MAX_DEPTH = 64
_MAX_NAME_LENGTH = 1000
_MAX_INTEGER_BITS = 64

_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
_LITERALS |= {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

ADVICE = "only plain tensors, numbers, text, lists and dicts can be read: save the model's state_dict()"

# A call does more work than another instruction.
_STEPS_OF_A_CALL = 10

T = TypeVar("T")


class Refused(Exception):  # noqa: N818 - a property of the file, not an error of ours
    """The file needs something that weights do not; the message follows the name of the file."""


class Module(dict[str, Any]):
    """A TorchScript module: its attributes by name."""


@dataclass(frozen=True)
class Opaque:
    """A class or function that is not data, or what it would make: only its name is kept, it is never run."""

    name: str


@dataclass(frozen=True)
class Function:
    """A function that a pickle may call, with a tuple of arguments."""

    name: str
    call: Callable[[tuple], Any]


# The classes of the result.
_LEAVES = {str, int, float, bool, bytes, type(None), LazyArray, Opaque}
_CONTAINERS = {dict, list, tuple, Module}
_OPAQUE_ARGUMENTS = (_LEAVES | _CONTAINERS | {Function}) - {LazyArray}
_MAX_SEARCHED = 8  # entries of a tuple, in which a storage stands first


def run_pickle(data: bytes, find: Callable[[str], Any], persistent: Callable[[Any], Any]) -> Any:
    """The plain value that a pickle describes.

    Args:
        data: the pickle, protocol 2 or later.
        find: resolves a dotted global name to a `Function`, the class `Module`, or a value that `persistent`
            and the functions accept; `Opaque` for any other name.
        persistent: resolves a persistent id.

    Returns:
        Nested dicts (keys are printable text or int), lists, tuples, numbers, text, bytes, None,
        `LazyArray`, and `Opaque` in place of other objects, without cycles, at most 64 levels deep. Parts
        may be shared.

    Raises:
        Refused: an instruction or value is not data, an object that is not data holds a tensor or is the
            whole value, or a limit is exceeded.
        ValueError, IndexError: the pickle is broken.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    steps = 0

    def pop_to_mark() -> list[Any]:
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    for operation, argument, _ in pickletools.genops(data):
        steps += 1
        if steps > _MAX_STEPS:
            raise Refused(f"takes more than {_MAX_STEPS} steps to read, which no weights do")
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
                        raise ValueError(f"its pickle uses memo entry {argument}, which it never stored")
                    stack.append(memo[argument])
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    stack.append(tuple([stack.pop() for _ in range(int(name[-1]))][::-1]))
                case "TUPLE":
                    stack.append(tuple(pop_to_mark()))
                case "EMPTY_LIST":
                    stack.append([])
                case "APPEND" | "APPENDS":
                    values = [stack.pop()] if name == "APPEND" else pop_to_mark()
                    if type(stack[-1]) is not Opaque:
                        expect(stack[-1], list).extend(values)
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM" | "SETITEMS":
                    values = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else pop_to_mark()
                    if type(stack[-1]) is not Opaque:
                        target = expect(stack[-1], dict)
                        for key, value in zip(values[::2], values[1::2], strict=True):
                            target[_key(key)] = value
                case "GLOBAL":
                    stack.append(find(expect(argument, str).replace(" ", ".")))
                case "STACK_GLOBAL":
                    attribute, module = short_text(stack.pop()), short_text(stack.pop())
                    stack.append(find(f"{module}.{attribute}"))
                case "BINPERSID":
                    steps += _STEPS_OF_A_CALL
                    stack.append(persistent(stack.pop()))
                case "REDUCE" | "NEWOBJ":
                    arguments, function = expect(stack.pop(), tuple), stack.pop()
                    steps += _STEPS_OF_A_CALL + len(arguments)
                    stack.append(_call(name, function, arguments))
                case "BUILD":
                    state, target = stack.pop(), stack[-1]
                    # The state of a dict is the `_metadata` of a state dict (versions of layers): ignored.
                    if type(target) not in (dict, Opaque):
                        attributes = expect(state, dict)
                        steps += len(attributes)
                        expect(target, Module).update(attributes)
                case _:
                    raise Refused(f"uses the pickle instruction {name}, which no weights need; {ADVICE}")
    value = stack.pop()
    if type(value) is Opaque:
        raise _not_data(value)
    _check_plain(value, 0, {})
    return value


def expect(value: Any, kind: type[T]) -> T:
    """Returns `value`, whose class must be exactly `kind`.

    Raises:
        ValueError: it has another class.
    """
    if type(value) is not kind:
        raise ValueError(f"its pickle has a {type(value).__name__} in place of a {kind.__name__}")
    return value


def short_text(value: Any) -> str:
    """Returns `value`, which must be text of at most 1000 characters.

    Raises:
        ValueError: it is not.
    """
    if len(expect(value, str)) > _MAX_NAME_LENGTH:
        raise ValueError(f"its pickle has a name of {len(value)} characters")
    return value


def _call(instruction: str, function: Any, arguments: tuple) -> Any:
    """The result of REDUCE or NEWOBJ."""
    if type(function) is Opaque:
        inner = [part for x in arguments if type(x) is tuple for part in x[:_MAX_SEARCHED]]
        if not all(type(x) in _OPAQUE_ARGUMENTS for x in (*arguments, *inner)):
            raise _not_data(function)  # it would make a tensor, such as a quantized one
        return function
    if instruction == "REDUCE":
        return expect(function, Function).call(arguments)
    if arguments or function is not Module:
        raise ValueError("its pickle creates an object that is not a TorchScript module")
    return Module()


def _not_data(value: Opaque) -> Refused:
    return Refused(f"asks for {value.name}, which is not data; {ADVICE}")


def _literal(value: Any) -> Any:
    if type(value) is int and value.bit_length() > _MAX_INTEGER_BITS:
        raise Refused(f"holds an integer of {value.bit_length()} bits; at most {_MAX_INTEGER_BITS} are read")
    return value


def _key(key: Any) -> str | int:
    if type(key) is int or (type(key) is str and short_text(key).isprintable()):
        return key
    raise Refused(f"has a {type(key).__name__} as a key that is neither printable text nor an integer")


def _check_plain(value: Any, level: int, depths: dict[int, int]) -> int:
    """Checks that a value is plain data and returns its depth.

    Args:
        value: the value.
        level: number of containers around it.
        depths: depths of the containers visited so far, by id, so that each shared part is visited once.

    Raises:
        Refused: a part is not data, or the depth exceeds the limit, as that of a cycle does.
    """
    if type(value) in _LEAVES:
        return 0
    if type(value) not in _CONTAINERS:
        raise Refused(f"holds a bare {type(value).__name__}, which is not data; {ADVICE}")
    depth = depths.get(id(value))
    if depth is None and level < _MAX_DEPTH:
        parts = value.values() if isinstance(value, dict) else value
        depth = 1 + max((_check_plain(part, level + 1, depths) for part in parts), default=0)
        depths[id(value)] = depth
    if depth is None or level + depth > _MAX_DEPTH:
        raise Refused(f"is nested more than {_MAX_DEPTH} levels deep, which no weights are")
    return depth
