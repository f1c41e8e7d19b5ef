"""Whoever explains the shards, they are the same; a worker that dies is one error, and none outlives its parent."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import plan_parts
import pytest
from plan_parts import compared

import pellucid
from pellucid.core.errors import PlanError, SettingError
from pellucid.plans.executors import Executor, find_executor
from pellucid.plans.executors.processes import Processes
from pellucid.plans.executors.serial import Serial
from pellucid.plans.shards import Done, Job, Shard, digest_of, explain_shard

HERE = Path(__file__).parent


def shards(count: int) -> list[Shard]:
    found = []
    for number in range(count):
        rows = tuple(plan_parts.samples(8 * count)[8 * number : 8 * (number + 1)])
        found.append(Shard(number, tuple(range(8 * number, 8 * (number + 1))), rows, digest_of(rows)))
    return found


def job() -> Job:
    return Job(plan_parts.network(), "", "", False, "shap", {"tolerance": 0.2, "seed": 1}, "x", (6,))


def die(shard: Shard) -> Done:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def contents(executor: Executor) -> dict[int, bytes]:
    return {done.number: done.content for done in executor.run(functools.partial(explain_shard, job()), iter(shards(6)))}


def test_processes_give_the_bytes_of_one() -> None:
    one = contents(Serial())
    assert sorted(one) == list(range(6))
    assert contents(Processes(2)) == one


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3, 5])
def test_any_number_of_processes_gives_the_bytes_of_one(workers: int) -> None:
    assert contents(Processes(workers)) == contents(Serial())


def test_a_pool_of_threads_is_taken_as_it_is(tmp_path: Path) -> None:
    plan = pellucid.Plan(plan_parts.network(), plan_parts.samples(40), "shap", shard_size=7, tolerance=0.2)
    plan.run(tmp_path / "serial")
    with ThreadPoolExecutor(3) as pool:
        assert plan.run(tmp_path / "pool", executor=pool).complete
    assert compared(tmp_path / "pool") == compared(tmp_path / "serial")


@pytest.mark.slow
def test_a_pool_of_joblib_is_taken_as_it_is() -> None:
    loky = pytest.importorskip("joblib.externals.loky")
    pool = loky.get_reusable_executor(max_workers=2)
    try:
        assert contents(find_executor(pool)) == contents(Serial())
    finally:
        pool.shutdown(kill_workers=True)


class Backwards:
    """An executor of the user's own, that finishes the last shard first."""

    here = True

    def run(self, work, shards):
        return iter([work(shard) for shard in list(shards)[::-1]])


def test_an_own_executor_may_finish_in_any_order(tmp_path: Path) -> None:
    plan = pellucid.Plan(plan_parts.network(), plan_parts.samples(40), "shap", shard_size=7, tolerance=0.2)
    plan.run(tmp_path / "serial")
    plan.run(tmp_path / "own", executor=Backwards())
    assert compared(tmp_path / "own") == compared(tmp_path / "serial")


def test_shards_are_taken_only_as_fast_as_they_are_worked_on() -> None:
    taken = []

    def source():
        for shard in shards(12):
            taken.append(shard.number)
            yield shard

    with ThreadPoolExecutor(1) as pool:
        for done_so_far, _ in enumerate(find_executor(pool).run(functools.partial(explain_shard, job()), source()), 1):
            assert len(taken) <= done_so_far + 2
    assert len(taken) == 12


def test_a_worker_that_dies_is_one_error() -> None:
    with pytest.raises(PlanError, match="run the plan again"):
        list(Processes(1).run(die, iter(shards(2))))


def test_names() -> None:
    assert find_executor("serial") == Serial()
    assert find_executor("processes:3") == Processes(3)
    with pytest.raises(SettingError, match="from 1 on"):
        find_executor("processes:0")


def children(parent: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.add(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    code = f"""
        import sys, time, functools
        sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
        import test_executors as t
        from pellucid.plans.executors.processes import Processes
        if __name__ == "__main__":
            for done in Processes(2).run(functools.partial(t.slowly, t.job()), iter(t.shards(50))):
                print("done", flush=True)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    with subprocess.Popen([sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "done\n"
        workers = children(running.pid)
        assert len(workers) >= 2
        running.kill()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def slowly(job: Job, shard: Shard) -> Done:
    time.sleep(0.2)
    return explain_shard(job, shard)


@pytest.mark.slow
def test_processes_open_the_model_themselves(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(3, activation="softmax")]
    net = keras.Sequential([keras.Input((6,)), *layers])
    draw = np.random.default_rng(0)
    net.set_weights([draw.normal(size=weight.shape) for weight in net.get_weights()])
    net.save(tmp_path / "net.keras")
    plan = pellucid.Plan(tmp_path / "net.keras", plan_parts.samples(60), "integrated_gradients", shard_size=10)
    for executor in ("serial", "processes:1", "processes:2", "processes:3"):
        assert len(plan.run(tmp_path / executor, executor=executor)) == 60
        assert compared(tmp_path / executor) == compared(tmp_path / "serial")
    assert plan.run(tmp_path / "serial", executor="processes:2").complete
