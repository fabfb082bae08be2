"""Trains the same model by many methods and seeds, and tells them apart by what they make of unseen words.

python -m hclip_jax.tools.ablate --config=configs/ablation.py --workdir=runs/ablation [--jobs=2]

Each training is a run of hclip_jax.main in WORKDIR/METHOD/SEED; those that have ended are not run again, so
the same command resumes. After each, WORKDIR gets table.json, table.md and plot.png of those that have ended.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from hclip_jax.analysis.ablation.plan import Run, read_plan
from hclip_jax.analysis.ablation.table import finished, make_table, to_json, to_markdown
from hclip_jax.errors import UserError
from hclip_jax.io.command_line import Parser, run
from hclip_jax.io.files import write_atomically
from hclip_jax.io.progress import bar, console


def main(argv: list[str]) -> int:
    """Runs the command line `argv`, without the program's name, and returns the exit status."""
    parser = Parser(prog="python -m hclip_jax.tools.ablate", description=__doc__)
    add = parser.add_argument
    add("--config", default="configs/ablation.py", metavar="FILE", help="defines get_config, METHODS, SEEDS")
    add("--workdir", type=Path, default=Path("runs/ablation"), metavar="DIR", help="(default: runs/ablation)")
    add("--methods", default="", metavar="A,B", help="only these methods")
    add("--seeds", default="", metavar="0,1", help="other seeds than the file's")
    add("--jobs", type=int, default=1, help="trainings at once (default: 1)")
    args = parser.parse_args(argv)
    if args.jobs < 1:
        raise UserError(f"--jobs is {args.jobs}; give at least 1")
    runs = read_plan(args.config, args.workdir, _names(args.methods), _numbers(args.seeds))
    waiting = [r for r in runs if finished(r) is None]
    console.print(f"{len(runs)} trainings, {len(runs) - len(waiting)} have ended")
    cores = _shares(args.jobs)
    with ThreadPoolExecutor(args.jobs, initializer=lambda: _keep_to(cores.get())) as pool, bar() as progress:
        shown = progress.add_task("trainings", total=len(runs), completed=len(runs) - len(waiting))
        training = [pool.submit(_train, r) for r in waiting]
        try:
            for ended in as_completed(training):
                console.print(ended.result())
                progress.advance(shown)
                _write(args.workdir, runs)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _write(args.workdir, runs)
    console.print(f"{args.workdir}/table.md, table.json, plot.png")
    return 0


def _shares(jobs: int) -> "SimpleQueue[set[int]]":
    """This process's cores dealt out to so many trainings; none if there are too few, or not on Linux."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    shares: SimpleQueue[set[int]] = SimpleQueue()
    for job in range(jobs):
        shares.put(set(cores[job::jobs]) if len(cores) >= jobs else set())
    return shares


def _keep_to(cores: set[int]) -> None:
    """Keeps the programs that this thread starts to some cores: trainings that share theirs take longer."""
    if cores:
        os.sched_setaffinity(0, cores)


def _train(r: Run) -> str:
    start = time.monotonic()
    r.folder.mkdir(parents=True, exist_ok=True)
    with (r.folder / "log.txt").open("a") as log:
        status = subprocess.run(r.command, stdout=log, stderr=log).returncode
    if status or finished(r) is None:
        raise UserError(
            f"the training of {r.method}, seed {r.seed}, ended with status {status}; see "
            f"{r.folder / 'log.txt'}, and run the same command again to go on with the others"
        )
    return f"{r.method}, seed {r.seed}: ended after {time.monotonic() - start:.0f} s"


def _write(workdir: Path, runs: Sequence[Run]) -> None:
    # Imported here: it takes a second, and is not needed to refuse a wrong flag.
    from hclip_jax.analysis.ablation.plot import plot

    rows = make_table(runs)
    write_atomically(workdir / "table.json", to_json(rows))
    write_atomically(workdir / "table.md", to_markdown(rows))
    plot(workdir / "plot.png", rows)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in _names(text)]
    except ValueError as error:
        raise UserError(f"--seeds={text} is no list of whole numbers; give such as --seeds=0,1,2") from error


if __name__ == "__main__":
    sys.exit(run(main, sys.argv[1:]))
