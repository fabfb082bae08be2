"""Trains one model with several tuning methods and seeds, and compares their metrics on unseen class names.

hclip ablate [--config=NAME|FILE] [--workdir=DIR] [--methods=A,B] [--seeds=0,1] [--jobs=2]

Each training is a run of hclip train in DIR/METHOD/SEED. Finished trainings are not repeated, so the same
command resumes an ablation. Ctrl-C, SIGTERM and SIGHUP let the running trainings save first. After each
training, DIR/table.json, table.md and plot.png are updated. Example:

    hclip ablate --config=ablation --workdir=runs/ablation --jobs=2
"""

import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from hclip_jax.analysis.ablation.plan import Run, read_plan
from hclip_jax.errors import UserError
from hclip_jax.io.files import write_atomically
from hclip_jax.io.paths import local_path
from hclip_jax.io.progress import bar, console
from hclip_jax.tools.children import STOPPED, Children
from hclip_jax.tools.command_line import Parser, run
from hclip_jax.training.workdir import check_workdir


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: the arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        UserError: wrong use, or a training failed.
    """
    parser = Parser(prog="hclip ablate", description=__doc__)
    add = parser.add_argument
    add(
        "--config",
        default="ablation",
        metavar="NAME|FILE",
        help="configuration with METHODS and SEEDS (default: ablation)",
    )
    add(
        "--workdir",
        type=local_path,
        default=Path("runs/ablation"),
        metavar="DIR",
        help="(default: runs/ablation)",
    )
    add("--methods", default="", metavar="A,B", help="names of METHODS (default: all)")
    add("--seeds", default="", metavar="0,1", help="seeds (default: SEEDS)")
    add("--jobs", type=int, default=1, metavar="N", help="number of trainings in parallel (default: 1)")
    args = parser.parse_args(argv)
    if args.jobs < 1:
        raise UserError(f"--jobs is {args.jobs}; it must be 1 or more")
    runs = read_plan(args.config, args.workdir, _split(args.methods), _parse_seeds(args.seeds))
    with Children() as children:
        _train_all(runs, args.workdir, args.jobs, children)
    if children.is_asked():
        print(
            "stopped as asked, and so are the running trainings, each saved if it had begun; the same "
            "command goes on there",
            file=sys.stderr,
        )
    return children.status()


def _train_all(runs: Sequence[Run], workdir: Path, jobs: int, children: Children) -> None:
    for r in runs:
        check_workdir(r.workdir, r.config, may_grow=False)  # results of another configuration do not count
    remaining = [r for r in runs if r.final_metrics() is None]
    num_finished = len(runs) - len(remaining)
    console.print(f"{len(runs)} training{'s' * (len(runs) != 1)}, {num_finished} finished")
    cores = _core_sets(jobs)
    with ThreadPoolExecutor(jobs, initializer=lambda: _pin_to(cores.get())) as pool, bar() as progress:
        task = progress.add_task("trainings", total=len(runs), completed=num_finished)
        futures = [pool.submit(_train, r, children) for r in remaining]
        try:
            for future in as_completed(futures):
                if message := future.result():
                    console.print(message)
                    progress.advance(task)
                    _write_results(workdir, runs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if children.is_asked():
        return
    _write_results(workdir, runs)
    console.print(f"{workdir}/table.md, table.json, plot.png")


def _train(r: Run, children: Children) -> str:
    """Runs one training in a subprocess and returns a message; "" if a signal ended it or came before."""
    start = time.monotonic()
    r.workdir.mkdir(parents=True, exist_ok=True)
    with (r.workdir / "log.txt").open("a") as log:
        status = children.run(r.command, log)
    if children.is_asked() and (status is None or status in STOPPED):
        return ""
    if status or r.final_metrics() is None:
        raise UserError(
            f"the training of {r.method}, seed {r.seed}, ended with status {status}; see "
            f"{r.workdir / 'log.txt'}, and run the same command again to continue"
        )
    return f"{r.method}, seed {r.seed}: finished after {time.monotonic() - start:.0f} s"


def _core_sets(jobs: int) -> "SimpleQueue[set[int]]":
    """This process's cores, divided among the jobs; empty sets if there are too few, or not on Linux."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    core_sets: SimpleQueue[set[int]] = SimpleQueue()
    for job in range(jobs):
        core_sets.put(set(cores[job::jobs]) if len(cores) >= jobs else set())
    return core_sets


def _pin_to(cores: set[int]) -> None:
    """Pins the subprocesses of this thread to `cores`: trainings that share cores take longer."""
    if cores:
        os.sched_setaffinity(0, cores)


def _write_results(workdir: Path, runs: Sequence[Run]) -> None:
    # Imported after the arguments are checked: JAX and matplotlib take seconds to start.
    from hclip_jax.analysis.ablation.plot import plot
    from hclip_jax.analysis.ablation.table import make_table, to_json, to_markdown

    rows = make_table(runs)
    write_atomically(workdir / "table.json", to_json(rows))
    write_atomically(workdir / "table.md", to_markdown(rows))
    plot(workdir / "plot.png", rows)


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _parse_seeds(text: str) -> list[int]:
    try:
        return [int(number) for number in _split(text)]
    except ValueError as error:
        raise UserError(
            f"--seeds={text} is not a list of whole numbers; give for example --seeds=0,1,2"
        ) from error


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
