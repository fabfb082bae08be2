"""The command of mutation testing; the docstring of the package describes it."""

import argparse
import contextlib
import json
import queue
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path

import tests.mutation
from hclip_jax.io import progress
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.find import Mutant, find_mutants
from tests.mutation.run import Outcome, Runner, tests_of

ROOT = Path(__file__).parents[2]
SOURCES = (
    "hclip_jax/adapters/*.py",
    "hclip_jax/ops/*.py",
    "hclip_jax/models/**/*.py",
    "hclip_jax/training/losses.py",
    "hclip_jax/inference/sliding_window.py",
    "hclip_jax/evaluation/confusion_matrix.py",
)
WITHOUT_GRADIENTS = ("hclip_jax/inference/*", "hclip_jax/evaluation/*", "hclip_jax/adapters/energy.py")


def main() -> None:
    """Lists or runs mutants."""
    args = _parse_arguments()
    if args.list:
        mutants = _choose(ROOT, args)
        print("\n".join(map(_describe, mutants)))
        for file, count in Counter(mutant.file for mutant in mutants).items():
            print(f"{count:6} {file}")
        print(f"{len(mutants):6} mutants")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that nothing is left behind
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name)
        runners = [Runner(ROOT, folder / "0", folder / "programs")]
        # Others may edit the repository meanwhile, so everything starts from the first copy.
        tree = runners[0].tree
        runners += [Runner(tree, folder / str(i), folder / "programs") for i in range(1, args.jobs)]
        mutants = _choose(tree, args)
        results = _read_results(args.output)
        finished = ("killed",) if args.again else ("killed", "survived")
        todo = [mutant for mutant in mutants if results.get(mutant.key) not in finished]
        args.output.parent.mkdir(parents=True, exist_ok=True)
        with args.output.open("a") as output, contextlib.closing(_run(todo, runners)) as outcomes:
            for mutant, outcome in outcomes:
                results[mutant.key] = outcome.result
                record = {**mutant._asdict(), **outcome._asdict()}
                print(json.dumps({k: v for k, v in record.items() if k not in ("text", "log")}), file=output)
                output.flush()
    _report(mutants, results)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.mutation",
        description=tests.mutation.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    parser.add_argument("--files", nargs="+", default=SOURCES, help="patterns of source files")
    parser.add_argument("--sample", type=int, help="number of mutants drawn; all without it")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="mutants that run at the same time")
    parser.add_argument("--again", action="store_true", help="run the survivors in --output again")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "mutation.jsonl", help="JSON lines")
    return parser.parse_args()


def _choose(root: Path, args: argparse.Namespace) -> list[Mutant]:
    mutants = list(_mutants(root, args.files))
    return _sample(mutants, args.sample, args.seed) if args.sample else mutants


def _mutants(root: Path, patterns: Iterable[str]) -> Iterator[Mutant]:
    """The mutants of the files that match a pattern, without equivalent ones."""
    files = sorted({str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern)})
    unused = {rule for rule in EQUIVALENT if any(fnmatch(f, f"hclip_jax/{rule.file}") for f in files)}
    for file in files:
        gradients = not any(fnmatch(file, pattern) for pattern in WITHOUT_GRADIENTS)
        for mutant in find_mutants(file, (root / file).read_text(), gradients):
            matches = {rule for rule in EQUIVALENT if rule.matches(mutant)}
            unused -= matches
            if not matches and "# speed" not in mutant.before:
                yield mutant
    for rule in sorted(unused):
        print(f"no mutant matches this rule of equivalent.py: {rule}", file=sys.stderr)


def _sample(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """Draws mutants evenly over the files: a second one of a file only if every file has one."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    keyed = []
    for mutant in rng.sample(mutants, len(mutants)):
        counts[mutant.file] += 1
        keyed.append((counts[mutant.file], rng.random(), mutant))
    return [mutant for *_, mutant in sorted(keyed)[:size]]


def _read_results(output: Path) -> dict[tuple[str, ...], str]:
    """The latest result of every mutant in the records."""
    if not output.exists():
        return {}
    records = [json.loads(line) for line in output.read_text().splitlines()]
    return {Mutant(*(record[k] for k in Mutant._fields[:-1])).key: record["result"] for record in records}


def _run(mutants: Sequence[Mutant], runners: Sequence[Runner]) -> Generator[tuple[Mutant, Outcome]]:
    """Runs mutants in parallel, one at a time on each runner, and yields those that are done."""
    console = progress.console
    tests = {mutant.file: tests_of(mutant.file, runners[0].tree) for mutant in mutants}
    limits: dict[frozenset[str], float] = {}
    for file, names in tests.items():
        if frozenset(names) not in limits:
            console.print(f"unmutated tests of {Path(file).parent}", end=" ")
            limits[frozenset(names)] = limit = runners[0].run_unmutated(names)
            console.print(f"pass; mutants have {limit:.0f} s")
    free: queue.SimpleQueue[Runner] = queue.SimpleQueue()
    for runner in runners:
        free.put(runner)

    def run(mutant: Mutant) -> Outcome:
        runner, names = free.get(), tests[mutant.file]
        try:
            return runner.run_mutant(mutant.file, mutant.text, names, limits[frozenset(names)])
        finally:
            free.put(runner)

    start = time.monotonic()
    with ThreadPoolExecutor(len(runners)) as pool, progress.bar() as bar:
        task = bar.add_task("mutants", total=len(mutants))
        futures = {pool.submit(run, mutant): mutant for mutant in mutants}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                mutant, outcome = futures[future], future.result()
                bar.advance(task)
                if outcome.result == "survived" or not console.is_terminal:
                    left = (time.monotonic() - start) / done * (len(mutants) - done) / 60
                    by = f" by {outcome.by}" if outcome.by else ""
                    line = f"{done}/{len(mutants)}, {left:.0f} min left: {outcome.result}{by}: "
                    console.print(line + _describe(mutant), markup=False)
                yield mutant, outcome
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for runner in runners:  # none runs, unless the command is interrupted
                runner.stop()


def _report(mutants: Sequence[Mutant], results: dict[tuple[str, ...], str]) -> None:
    """Prints survivors, and the score of each file and of all mutants that were run."""
    ran = [mutant for mutant in mutants if mutant.key in results]
    survivors = [mutant for mutant in ran if results[mutant.key] == "survived"]
    print(f"\n{len(survivors)} survivors", *map(_describe, survivors), "", sep="\n")
    total, survived = (Counter(mutant.file for mutant in some) for some in (ran, survivors))
    for file, count in total.items():
        print(f"{count - survived[file]:6} of {count:4} killed  {file}")
    if ran:
        share = 100 * (1 - len(survivors) / len(ran))
        print(f"{len(ran) - len(survivors):6} of {len(ran):4} killed, {share:.1f} %")


def _describe(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.line} [{mutant.kind}]\n        {mutant.before}\n        {mutant.after}"


if __name__ == "__main__":
    main()
