"""The problems of a report, one sentence each. Needs no JAX."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hclip_jax.analysis.compile.report import ProgramReport
from hclip_jax.errors import UserError
from hclip_jax.io.json_file import read_json

_GROWTH = 1.01
"""Bytes may grow by a hundredth: the compiler pads and schedules differently when any line changes."""


def problems(reports: Sequence[ProgramReport], memory: int) -> list[str]:
    """Memory that does not fit, and sums of gradients in loops.

    Args:
        reports: the programs of one slice.
        memory: bytes that a program may use of a chip.
    """
    found = []
    for report in reports:
        peak = report.memory["peak"]
        if peak > memory:
            found.append(
                f"the {report.name} needs {peak / 1e9:.2f} GB of a chip that has {memory / 1e9:.2f}; give a "
                f"smaller train.batch_size or train.microbatch, or more chips"
            )
        found += [
            f"the {report.name} has a sum of gradients in a loop: {c.times} x {c.bytes / 1e6:.2f} MB over "
            f"{c.axis}, made by {c.source}"
            for c in report.collectives
            if c.sums_gradients_in_loop
        ]
    return found


def growth(reports: Sequence[ProgramReport], stored: dict[str, Any]) -> list[str]:
    """Bytes that grew by more than a hundredth against a stored report.

    Args:
        reports: the programs of one slice.
        stored: what `read_stored` gave.
    """
    found = []
    before = {program["name"]: program for program in stored["programs"]}
    for report in reports:
        if report.name not in before:
            continue
        pairs = {
            "collectives": (before[report.name]["collective_bytes"], report.collective_bytes),
            "peak memory": (before[report.name]["memory"]["peak"], report.memory["peak"]),
            "memory traffic": (before[report.name]["traffic"], report.traffic),
        }
        found += [
            f"the {report.name}'s {kind} grew from {old / 1e6:.2f} to {new / 1e6:.2f} MB a chip"
            for kind, (old, new) in pairs.items()
            if new > _GROWTH * old
        ]
    return found


def read_stored(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The report of an earlier run, made with the same `settings`.

    Raises:
        UserError: the file is no report, or one of other settings.
    """
    try:
        stored = read_json(path, "give a compile.json of --output")
        found = {name: stored[name] for name in settings}
        for program in stored["programs"]:
            program["name"], program["collective_bytes"] + program["memory"]["peak"] + program["traffic"]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no report of hclip compile, or one of an older version; give a compile.json of "
            "--output"
        ) from error
    changed = [name for name in settings if found[name] != settings[name]]
    if changed:
        name = changed[0]
        raise UserError(
            f"{path} was made with {name} = {found[name]}, but it is {settings[name]} now; give a "
            f"report with the same arguments"
        )
    return stored
