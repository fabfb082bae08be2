"""Hostile PyTorch files: refused in one sentence, with little memory, without running code."""

import itertools
import struct
import zipfile

import numpy as np
import pytest

from hclip_jax.weights.torch_zip import objects, pickle_vm, reader
from hclip_jax.weights.torch_zip.reader import read_torch
from tests.weights.torch_zip.hostile import (
    ORDERED_DICT,
    STORAGE,
    TENSOR,
    archive,
    bounded_memory,
    integer,
    integers,
    refused,
    tensor,
    text,
)

# pickletools evaluates escapes in names, which causes a warning.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

COMMAND = text("touch MARKER")
CODE = {
    "os.system": b"cos\nsystem\n(" + COMMAND + b"tR.",
    "posix.system": b"cposix\nsystem\n(" + COMMAND + b"tR.",
    "by stack": text("posix") + text("system") + b"\x93(" + COMMAND + b"tR.",
    "by memo": text("posix") + b"\x94" + text("system") + b"\x94h\x00h\x01\x93(" + COMMAND + b"tR.",
    "escaped": b"cp\\x6fsix\nsystem\n(" + COMMAND + b"tR.",
    "eval": b"cbuiltins\neval\n(" + text("open('MARKER', 'w')") + b"tR.",
    "exec": b"c__builtin__\nexec\n(" + text("open('MARKER', 'w')") + b"tR.",
    "getattr": b"cbuiltins\ngetattr\n(" + ORDERED_DICT + text("__globals__") + b"tR.",
    "attribute": b"ccollections\nOrderedDict.fromkeys\n(" + COMMAND + b"tR.",
    "torch": b"ctorch\nload\n(" + COMMAND + b"tR.",
    "nested": ORDERED_DICT + b"(cos\nsystem\n(" + COMMAND + b"tRtR.",
    "key": b"}cos\nsystem\n(" + COMMAND + b"tRNs.",
    "inst": b"(" + COMMAND + b"ios\nsystem\n.",
    "obj": b"(cos\nsystem\n" + COMMAND + b"o.",
    "obj of a type": b"(" + ORDERED_DICT + COMMAND + b"o.",
    "newobj": b"cos\nsystem\n(" + COMMAND + b"t\x81.",
    "newobj_ex": ORDERED_DICT + b")}\x92.",
    "build": b"cos\nsystem\n}" + text("a") + b"Nsb.",
    "setstate": ORDERED_DICT + b"}" + text("__setstate__") + b"Nsb.",
    "persistent": b"(" + text("storage") + b"cos\nsystem\n" + text("0") + text("cpu") + integer(5) + b"tQ.",
    "persistent text": b"Pos.system\n.",
    "extension": b"\x82\x01.",
    "extension of 2 bytes": b"\x83\x01\x00.",
    "extension of 4 bytes": b"\x84\x01\x00\x00\x00.",
    "script call": b"c__torch__.os\nsystem\n(" + COMMAND + b"tR.",
    "script object with arguments": b"c__torch__.os\nsystem\n(" + COMMAND + b"t\x81.",
}

CHAIN = b"".join(b"]h" + bytes([i]) + b"aq" + bytes([i + 1]) for i in range(100))
HUGE = struct.pack("<Q", 2**40)
BROKEN = {
    "bytearray": b"\x96" + HUGE + b"x.",
    "bytes": b"\x8e" + HUGE + b"x.",
    "text": b"\x8d" + HUGE + b"x.",
    "frame": b"\x95" + HUGE,
    "integer": b"\x8b\xff\xff\xff\x7f1.",
    "negative integer length": b"\x8b\xff\xff\xff\xff1.",
    "long integer": b"\x8a\xff" + b"\x7f" * 255 + b".",
    "digits": b"I" + b"9" * 5000 + b"\n.",
    "long memo": b"Np" + b"9" * 5000 + b"\n.",
    "memo not stored": b"h\x07.",
    "cycle": b"]q\x00h\x00a.",
    "cycle through a dict": b"}q\x00" + text("a") + b"h\x00s.",
    "tuples": b"N" + b"\x85" * 30_000 + b".",
    "tuples as a key": b"}N" + b"\x85" * 30_000 + b"Ns.",
    "lists": b"]" * 30_000 + b"a" * 29_999 + b".",
    "lists of 65 levels": b"]" * 65 + b"a" * 64 + b".",
    "chain of 100 shared lists": b"](]q\x00" + CHAIN + b"e.",
    "text as a number": b"I" + b"x" * 1000 + b"\n.",
    "list as a key": b"}]Ns.",
    "tuple as a key": b"})Ns.",
    "bool as a key": b"}\x88Ns.",
    "number as a key": b"}G" + bytes(8) + b"Ns.",
    "tensor as a key": b"}" + tensor(0, integers(5), integers(1)) + b"Ns.",
    "key that cannot be printed": b"}" + text("a\n\x1b[2J") + b"Ns.",
    "key that is half a character": b"}" + text(b"\xed\xa0\x80") + b"Ns.",
    "long key": b"}" + text("a" * 2000) + b"Ns.",
    "key without value": b"}(Nu.",
    "empty stack": b"\x85.",
    "no value": b".",
    "no mark": b"t.",
    "no end": b"N",
    "no text": b"X\x05\x00\x00\x00ab.",
    "append to a tuple": b")Na.",
    "items of a list": b"]" + text("a") + b"Ns.",
    "a bare name": ORDERED_DICT + b".",
    "a name in a list": b"]ctorch\nFloatStorage\na.",
    "a bare storage": STORAGE + b".",
    "call of a storage": b"ctorch\nFloatStorage\n)R.",
    "call of a number": b"K\x01)R.",
    "call with a list": ORDERED_DICT + b"]R.",
    "filled OrderedDict": ORDERED_DICT + b"(]tR.",
    "tensor of nothing": TENSOR + b")R.",
    "parameter of nothing": b"ctorch._utils\n_rebuild_parameter\n)R.",
    "state of a list": b"]}b.",
    "name not of text": b"K\x01K\x02\x93.",
    "name of 100,000 letters": text("a" * 100_000) + text("b") + b"\x93.",
    "name not of letters": b"c\x1b[2J\xff\nx\n.",
    "persistent id of None": b"NQ.",
    "storage of another kind": tensor(0, integers(5), integers(1), STORAGE.replace(b"storage", b"STORAGE"))
    + b".",
    "storage elsewhere": tensor(0, integers(5), integers(1), STORAGE.replace(text("0"), text("../../../0")))
    + b".",
    "storage longer than its entry": tensor(
        0, integers(5), integers(1), STORAGE.replace(integer(5), integer(6))
    )
    + b".",
    "storage of negative length": tensor(
        0, integers(0), integers(1), STORAGE.replace(integer(5), integer(-5))
    )
    + b".",
    "shape of text": tensor(0, b"(" + text("5") + b"t", integers(1)) + b".",
    "shape of bools": tensor(0, b"\x88\x85", integers(1)) + b".",
    "shape of a list": tensor(0, b"]", integers()) + b".",
}


@pytest.mark.parametrize("is_torchscript", [False, True])
@pytest.mark.parametrize("name", CODE)
def test_code_is_refused_and_not_run(tmp_path, monkeypatch, name, is_torchscript):
    monkeypatch.chdir(tmp_path)
    path = archive(tmp_path / "x.pt", b"\x80\x04" + CODE[name], is_torchscript)
    refused(path)
    assert list(tmp_path.iterdir()) == [path]


def test_message_names_the_function_or_instruction(tmp_path):
    message = refused(archive(tmp_path / "weights.pt", CODE["posix.system"]))
    assert "weights.pt asks for posix.system, which is not data; " in message
    assert "instruction INST" in refused(archive(tmp_path / "x.pt", CODE["inst"]))


def test_code_beside_the_weights_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("os.system", "posix.system", "by stack", "escaped", "eval", "getattr", "torch"):
        content = b"\x80\x04}" + text("a") + CODE[name][:-1] + b"s."
        path = archive(tmp_path / "x.pt", content)
        assert isinstance(read_torch(path).content["a"], pickle_vm.Opaque)
        assert list(tmp_path.iterdir()) == [path]


def test_objects_ignore_their_state(tmp_path):
    make = b"cargparse\nNamespace\n)\x81q\x01"
    fill = b"}" + text("a") + b"Nsb" + b"(" + text("a") + b"Nu" + text("a") + b"Ns" + b"(NNe" + b"Na"
    (value,) = read_torch(archive(tmp_path / "x.pt", b"\x80\x02" + make + fill + b"\x85.")).content
    assert value == pickle_vm.Opaque("argparse.Namespace")


def test_an_object_that_would_make_a_tensor_is_refused(tmp_path):
    make = b"ctorch._utils\n_rebuild_qtensor\n"
    for arguments in (
        STORAGE + b"\x85",
        STORAGE + b"\x85\x85",
        tensor(0, integers(5), integers(1)) + b"\x85",
    ):
        path = archive(tmp_path / "x.pt", b"\x80\x02](" + make + arguments + b"Re.")
        assert "asks for torch._utils._rebuild_qtensor, which is not data" in refused(path)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pickles_are_refused(tmp_path, name):
    refused(archive(tmp_path / "x.pt", b"\x80\x04" + BROKEN[name]))


def test_a_huge_memo_index_takes_no_memory(tmp_path):
    path = archive(tmp_path / "x.pt", b"\x80\x02]K\x07r\xff\xff\xff\xffaj\xff\xff\xff\xff.")
    with bounded_memory():
        assert read_torch(path).content == 7


def test_a_torchscript_class_is_a_dict_whatever_its_name(tmp_path):
    pickle = b"\x80\x02c__torch__.os\nsystem\n)\x81}" + text("a") + b"Nsb."
    assert read_torch(archive(tmp_path / "x.pt", pickle, is_torchscript=True)).content == {"a": None}
    assert "__torch__.os.system" in refused(archive(tmp_path / "y.pt", pickle))


def test_shared_parts_are_not_copied(tmp_path):
    """Sixty lists, each of which contains the one before twice: 2**60 paths."""
    double = b"".join(b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(60))
    content = read_torch(archive(tmp_path / "x.pt", b"\x80\x02]q\x00" + double + b".")).content
    assert content[0] is content[1]


WITHIN = [
    (0, (5,), (1,)),
    (1, (2, 2), (2, 1)),
    (4, (1, 1), (2**62, 0)),
    (4, (), ()),
    (5, (0,), (1,)),
    (0, (0, 7), (2**62, 2**62)),
    (0, (1,) * 64, (1,) * 64),
]
OUTSIDE = [
    (0, (6,), (1,)),
    (1, (5,), (1,)),
    (0, (3,), (3,)),
    (5, (), ()),
    (6, (0,), (1,)),
    (-1, (2,), (1,)),
    (0, (-1,), (1,)),
    (0, (-2, -2), (1, 1)),
    (4, (2,), (-1,)),
    (0, (5, 2**40), (1, 0)),
    (0, (10,), (0,)),
    (0, (2**62, 4), (0, 0)),
    (0, (0, 2**62), (1, 1)),
    (0, (5,), ()),
    (0, (5,), (1, 1)),
    (0, (2,), (2**63,)),
    (2**63, (1,), (1,)),
    (0, (1,) * 65, (1,) * 65),
]


@pytest.mark.parametrize(("offset", "shape", "strides"), WITHIN)
def test_views_within_their_storage_are_read(tmp_path, offset, shape, strides):
    path = archive(
        tmp_path / "x.pt", b"\x80\x02" + tensor(offset, integers(*shape), integers(*strides)) + b"."
    )
    array = np.asarray(read_torch(path).content)
    expected = [
        offset + sum(i * stride for i, stride in zip(index, strides, strict=True))
        for index in itertools.product(*map(range, shape))
    ]
    assert array.shape == shape
    assert array.ravel().tolist() == expected  # the storage holds 0, 1, 2, 3, 4


@pytest.mark.parametrize(("offset", "shape", "strides"), OUTSIDE)
def test_views_outside_their_storage_are_refused(tmp_path, offset, shape, strides):
    pickle = b"\x80\x02" + tensor(offset, integers(*shape), integers(*strides)) + b"."
    refused(archive(tmp_path / "x.pt", pickle))


ATTRIBUTES = b"}q\x00(" + b"".join(text(str(i)) + b"N" for i in range(30)) + b"u"
MODULE = b"c__torch__\nA\n)\x81h\x00b"  # copies all attributes in four steps
TENSORS = b"".join(tensor(i % 5, integers(*[1] * (i // 5)), integers(*[1] * (i // 5))) for i in range(101))
BOMBS = [
    (pickle_vm, "_MAX_STEPS", b"(" * 200, "more than 100 steps"),
    (pickle_vm, "_MAX_STEPS", ATTRIBUTES + MODULE * 2 + b".", "more than 100 steps"),
    (objects, "_MAX_TENSORS", TENSORS + b".", "more than 100 tensors"),
    (reader, "_MAX_PICKLE_SIZE", text("a" * 200) + b".", "at most 100"),
]


@pytest.mark.parametrize(("module", "limit", "pickle", "match"), BOMBS)
def test_work_and_memory_are_bounded(tmp_path, monkeypatch, module, limit, pickle, match):
    assert getattr(module, limit) >= 100_000
    monkeypatch.setattr(module, limit, 100)
    assert match in refused(archive(tmp_path / "x.pt", pickle, is_torchscript=True))


def test_tensors_over_each_other_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_OVERLAP_OF_SMALL_FILES", 0)
    monkeypatch.setattr(objects, "_MAX_OVERLAP", 1)
    one = tensor(0, integers(5), integers(1))
    read_torch(archive(tmp_path / "x.pt", b"\x80\x02](" + one * 100 + b"e."))  # one tensor with 100 names
    views = b"".join(tensor(0, integers(2, i), integers(0, 1)) for i in (1, 2)) * 1000
    read_torch(archive(tmp_path / "x.pt", b"\x80\x02](" + views + b"e."))
    views = b"".join(tensor(0, integers(*[1] * i, 5), integers(*[0] * i, 1)) for i in range(60))
    pickle = b"\x80\x02](" + views + b"e."
    monkeypatch.setattr(objects.TorchObjects, "__init__", with_size(1000))
    assert "lie over each other" in refused(archive(tmp_path / "x.pt", pickle))


def with_size(size):
    """The constructor of `TorchObjects` for an archive of another size."""
    init = objects.TorchObjects.__init__
    return lambda self, open_storage, is_torchscript, _: init(self, open_storage, is_torchscript, size)


def test_a_name_twice_is_refused(tmp_path):
    path = archive(tmp_path / "x.pt", b"N.")
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("x/data.pkl", b"K\x01.")
    assert "has two entries with the name x/data.pkl" in refused(path)


def test_a_compressed_bomb_is_not_decompressed(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x/data.pkl", "w") as entry:
        for _ in range(100):
            entry.write(bytes(2**20))
    assert "compressed" in refused(path)


def test_entries_longer_than_the_file_are_not_allocated(tmp_path):
    path = archive(tmp_path / "x.pt", b"N.")
    data = bytearray(path.read_bytes())
    sizes = slice(data.index(b"PK\x01\x02") + 20, data.index(b"PK\x01\x02") + 28)
    for size, match in ((2**31, "longer than the file"), (len(data), "is broken")):
        data[sizes] = struct.pack("<II", size, size)
        path.write_bytes(data)
        assert match in refused(path)


def test_an_entry_at_an_impossible_offset_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as file:
        entry = zipfile.ZipInfo("x/data.pkl")
        entry.extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
        file.writestr(entry, b"N.")
    data = bytearray(path.read_bytes())
    field = data.index(b"PK\x01\x02") + 42
    data[field : field + 4] = b"\xff" * 4  # the offset is in the extra field
    path.write_bytes(data)
    refused(path)


def test_a_long_reason_is_shortened(tmp_path):
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x" * 1000 + "/data.pkl", b"N.")
    path.write_bytes(path.read_bytes().replace(b"xxx", b"yxx", 1))  # one of two copies of the name
    assert "is broken (File name in directory" in refused(path)


def test_an_encrypted_entry_is_refused(tmp_path):
    path = archive(tmp_path / "x.pt", b"N.")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)
