"""Copies of metrics.jsonl in other programs: TensorBoard's event files, a run of Weights & Biases.

Each is an extra of the same name: hclip_jax[tensorboard], hclip_jax[wandb].
"""

import importlib.util
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from hclip_jax import processes
from hclip_jax.config.build import to_dict
from hclip_jax.config.schema import Config
from hclip_jax.errors import UserError, one_line
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import is_address
from hclip_jax.io.progress import console

_NO_FIGURES = ("step", "time")


def check_installed(names: Collection[str]) -> None:
    """Checks that the packages of `config.train.log_to` are installed.

    Raises:
        UserError: one is not.
    """
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # without an origin it is a folder of that name, as W&B makes
            raise UserError(
                f"config.train.log_to names {name}, which is not installed; run "
                f"pip install 'hclip_jax[{name}]', or leave it out"
            )


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record of metrics.jsonl by name; those of an evaluation are evaluation/SET/FIGURE."""
    found = {name: value for name, value in record.items() if name not in _NO_FIGURES}
    for name, summary in (found.pop("evaluation", None) or {}).items():
        found |= {f"evaluation/{name}/{figure}": value for figure, value in summary.items()}
    return {name: float(value) for name, value in found.items() if type(value) in (int, float)}


class Mirror(Protocol):
    """A program that gets the records."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Takes one record."""

    def close(self) -> None:
        """Waits until everything is written."""


class TensorBoard:
    """Event files in DIR/tensorboard, which always hold what metrics.jsonl holds.

    A resumed training writes them again from its records, so that no step is there twice.
    """

    def __init__(self, workdir: Path, records: Sequence[Mapping[str, Any]]):
        """Replaces the event files by one with the records.

        Raises:
            UserError: they cannot be written.
        """
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = workdir / "tensorboard"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in list(folder.glob("events.out.tfevents.*")):
                path.unlink()
            self._writer = EventFileWriter(str(folder))
            for record in records:
                self._add(record)
            self._writer.flush()
        except Exception as error:  # at an address, those of several libraries
            raise UserError(
                f"TensorBoard's files cannot be written to {folder} ({one_line(str(error), 200)}); give a "
                f"--workdir that you may write to, or leave tensorboard out of config.train.log_to"
            ) from error

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record; it can be seen immediately."""
        self._add(record)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()

    def _add(self, record: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures(record).items()]
        if values:
            seconds = record.get("time") or time.time()
            summary = Summary(value=values)
            self._writer.add_event(Event(wall_time=seconds, step=record["step"], summary=summary))


class WeightsAndBiases:
    """One run of Weights & Biases, which a resumed training goes on with; DIR/wandb/id has its name.

    Steps that are trained again have the figures of the first time: W&B takes no step before its newest.
    """

    def __init__(self, workdir: Path, config: Config, records: Sequence[Mapping[str, Any]]):
        """Starts or continues the run; a new one gets the records so far.

        Raises:
            UserError: it does not start, for example without an account.
        """
        import wandb

        path = workdir / "wandb" / "id"
        is_new = not path.is_file()
        name = secrets.token_hex(4) if is_new else path.read_text().strip()
        try:
            self._run = wandb.init(
                project="hclip_jax",
                name=workdir.name,
                id=name,
                resume="allow",
                dir=None if is_address(workdir) else str(workdir),
                config=to_dict(config),
                settings=wandb.Settings(console="off"),
            )
        except Exception as error:
            raise UserError(
                f"Weights & Biases does not start ({one_line(str(error))}); log in by wandb login, set "
                f"WANDB_MODE=offline, or leave wandb out of config.train.log_to"
            ) from error
        if is_new:
            write_atomically(path, name + "\n")
            for record in records:
                self.write(record)

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds one record."""
        if values := figures(record):
            self._run.log(values, step=record["step"])

    def close(self) -> None:
        """Waits until everything is sent, or written if offline."""
        self._run.finish()


class Mirrors:
    """The programs of `config.train.log_to`, in the primary process; a context manager.

    One that fails in a training is left out from then on, with a warning.
    """

    def __init__(self, config: Config, workdir: Path, records: Sequence[Mapping[str, Any]]):
        """Opens them with the records of metrics.jsonl so far.

        Raises:
            UserError: one is not installed or does not start.
        """
        names = config.train.log_to if processes.is_primary() else ()
        check_installed(names)
        self._open: dict[str, Mirror] = {}
        if "tensorboard" in names:
            self._open["tensorboard"] = TensorBoard(workdir, records)
        if "wandb" in names:
            self._open["wandb"] = WeightsAndBiases(workdir, config, records)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in list(self._open):
            self._try(name, lambda mirror: mirror.close())

    def write(self, record: Mapping[str, Any]) -> None:
        """Passes one record on."""
        for name in list(self._open):
            self._try(name, lambda mirror: mirror.write(record))

    def _try(self, name: str, action: Any) -> None:
        try:
            action(self._open[name])
        except Exception as error:
            del self._open[name]
            reason = one_line(str(error)) or type(error).__name__
            console.print(f"warning: {name} gets no more figures ({reason})", markup=False)
