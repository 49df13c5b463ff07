"""Images shared out among simulators: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import itertools
import json
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oxnor.models.base import rng
from oxnor.models.base.errors import InputError
from oxnor.models.base.files import build_root
from oxnor.sim.runner import runner, tops
from oxnor.sim.runner.verilator_options import GRANT_CYCLES
from oxnor.sim.runner.workers import cluster

from .case import Built, Case, EngineBuild, Recorded, Shard
from .engines import build_engine, run_directory
from .options import RunOptions

TESTBENCH = "oxnor.sim.benches.engine.tb_simulate"
#: A simulator more must save as many cycles, or starting it takes longer than it saves.
CYCLES_MIN = 100_000
#: A run may take this many times the predicted cycles, and some more, before it counts as hung.
CYCLE_LIMIT_FACTOR = 2
#: Of 256 cycles, those in which an input stream, and an output stream, pauses, if pauses are drawn.
PAUSES = {"pause_in": 77, "pause_out": 128}

#: Called with (images done, images).
Progress = Callable[[int, int], object]


class _StoppedError(Exception):
    """Another shard has failed, or the user has had enough."""


def split(images: int, parts: int) -> list[slice]:
    """Return `parts` stretches of so many images, or one an image if there are fewer; none differs by more than one."""
    parts = min(parts, images)
    edges = [images * k // parts for k in range(parts + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def shares(case: Case, run: RunOptions, places: int) -> list[slice]:
    """Return the images of each simulator where `places` can run at once.

    Raises
    ------
    InputError
        If more than one is asked for, and the images must run one after the other.
    """
    whole = slice(0, case.images)
    reason = "waves are of one run" if run.waves else case.in_order
    if reason and (run.jobs or 1) > 1:
        raise InputError(f"must be 1, not {run.jobs}: {reason}", parameter="jobs")
    if reason:
        return [whole]
    return split(case.images, run.jobs or max(1, min(places, case.cycles(whole) // CYCLES_MIN)))


def _recorded(path: Path, size: int) -> Recorded:
    """Return what the player has recorded of a stream whose data has `size` bytes."""
    fields = path.read_bytes().split()
    try:
        words = np.frombuffer(bytes.fromhex(b"".join(fields[::2]).decode()), np.uint8)
    except ValueError:
        wrong = next(k for k, text in enumerate(fields[::2]) if not set(text) <= set(b"0123456789abcdef"))
        raise runner.SimulationError(f"{path}: transfer {wrong} is unknown: {fields[2 * wrong].decode()}") from None
    return Recorded(words.reshape(-1, size)[:, ::-1], np.array(fields[1::2], np.int64))


def _write_beats(case: Case, images: slice, path: Path) -> None:
    words, lasts = case.beats(images)
    np.concatenate([lasts[:, None].astype(np.uint8), words[:, ::-1]], axis=1).tofile(path)


def _job(case: Case, run: RunOptions, images: slice, sidecar: dict[str, Any]) -> dict[str, Any]:
    writes, reads = case.registers(sidecar)
    pauses = PAUSES if run.pauses else dict.fromkeys(PAUSES, 0)
    # Odd, as a xorshift generator stands still at 0.
    g = rng.stream("pauses", seed=case.request.errors.seed, layer=0, trial=images.start)
    return {
        "frames": images.stop - images.start,
        "writes": writes,
        "reads": reads,
        "waves": run.waves is not None,
        "grant": GRANT_CYCLES,
        "cycle_limit": CYCLE_LIMIT_FACTOR * case.cycles(images) * (8 if run.pauses else 1) + 1000,
        "seed": int(g.integers(1 << 32)) | 1,
        **pauses,
    }


def stream(
    case: Case, run: RunOptions, engine: EngineBuild, directory: Path, images: slice, poll: Callable[[], object] | None
) -> Shard:
    """Run some images of a case through its built engine; `directory` has the memory files."""
    job = _job(case, run, images, engine.sidecar)
    (directory / "job.json").write_text(json.dumps(job))
    _write_beats(case, images, directory / tops.BEATS)
    started = time.time()
    limit = 600 + job["cycle_limit"] * case.seconds_per_cycle
    runner.run(engine.build, TESTBENCH, directory, timeout_s=limit, poll=poll)
    played = json.loads((directory / "played.json").read_text())
    sizes = {p["name"]: p["width"] // 8 for p in engine.sidecar["ports"]}
    streams = {
        s: _recorded(directory / name, sizes[f"{s}_tdata"])
        for s, name in tops.RECORDED.items()
        if f"{s}_tdata" in sizes
    }
    if len(streams["m_axis"].words) != job["frames"]:
        raise runner.SimulationError(
            f"{len(streams['m_axis'].words)} of {job['frames']} results were recorded; see {directory}"
        )
    spent = {"start_s": played["began"] - started, "stream_s": played["ended"] - played["began"]}
    return Shard(images, streams, played["first"], played["registers"], **spent)


def here(
    case: Case, run: RunOptions, engine: EngineBuild, directory: Path, parts: list[slice], progress: Progress | None
) -> tuple[Shard, ...]:
    """Run the parts of a case's images in processes of this machine, each in its own folder below `directory`.

    Raises
    ------
    oxnor.sim.runner.runner.SimulationError
        If one fails; the others are ended.
    """
    case.write_memory(directory)
    stop = threading.Event()

    def poll() -> None:
        if stop.is_set():
            raise _StoppedError

    def one(k: int) -> Shard:
        folder = directory / f"shard{k}" if k else directory
        if k:
            folder.mkdir()
            (folder / "mem").symlink_to("../mem")
        try:
            return stream(case, run, engine, folder, parts[k], poll)
        except runner.SimulationError as e:
            if len(parts) == 1:
                raise
            raise runner.SimulationError(f"images {parts[k].start:,} to {parts[k].stop - 1:,}: {e}") from e

    def done() -> int:
        total = 0
        for k in range(len(parts)):
            with contextlib.suppress(OSError, ValueError):
                total += int(((directory / f"shard{k}" if k else directory) / "progress").read_text() or 0)
        return min(total, case.images)

    with futures.ThreadPoolExecutor(len(parts)) as pool:
        runs = [pool.submit(one, k) for k in range(len(parts))]
        try:
            while futures.wait(runs, 0.1, futures.FIRST_EXCEPTION).not_done and not any(
                r.done() and r.exception() for r in runs
            ):
                if progress:
                    progress(done(), case.images)
            # The one that failed first, not those that are about to be stopped.
            for r in sorted(runs, key=lambda r: not r.done()):
                r.result()
        finally:
            stop.set()
    return tuple(r.result() for r in runs)


def _remote(payload: bytes, images: slice) -> tuple[Built, Shard]:
    """Build and run in a worker process, with the worker's own cache of builds."""
    case, run = pickle.loads(payload)
    root = build_root()
    engine = build_engine(case, run, root)
    with run_directory(root, case.network.name, keep=False) as directory:
        case.write_memory(directory)
        return engine.summary, stream(case, run, engine, directory, images, None)


@contextmanager
def _as_sentence(address: str) -> Iterator[None]:
    try:
        yield
    except runner.SimulationError as e:
        raise runner.SimulationError(f"on a worker of {address}: {e}") from e


def there(case: Case, run: RunOptions, address: str, progress: Progress | None) -> tuple[Built, tuple[Shard, ...]]:
    """Run all images of a case on the workers of the Dask scheduler at `address`.

    A worker that dies costs the images that it was running: others take them.
    """
    with cluster(address) as workers, _as_sentence(address):
        built: list[Built] = []
        shards: list[Shard] = []
        for summary, shard in workers.map(_remote, pickle.dumps((case, run)), shares(case, run, workers.threads)):
            built.append(summary)
            shards.append(shard)
            if progress:
                progress(sum(s.images.stop - s.images.start for s in shards), case.images)
    # Of several builds, the one that took longest.
    return max(built, key=lambda b: b.seconds), tuple(sorted(shards, key=lambda s: s.images.start))
