"""Sweeps: keyed trials, a file that loses nothing, workers that die, pictures and pages."""

import csv
import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.convolutions import Conv, random_conv_network
from helpers.formats import header_of_a_sweep
from typer.testing import CliRunner

from oxnor.cli.app import app
from oxnor.models import golden
from oxnor.models.base.bits import pack_words
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.options import DataOptions
from oxnor.models.devices import model as devices
from oxnor.models.faults.fault_map import FaultMap
from oxnor.sim.sweeps.evaluator import Evaluator, errors_of, work_for
from oxnor.sim.sweeps.example import Example
from oxnor.sim.sweeps.export import export
from oxnor.sim.sweeps.page import Story, build_page, chosen_rates
from oxnor.sim.sweeps.params import SweepParams, WorkerOptions, parse_rates
from oxnor.sim.sweeps.run import sweep
from oxnor.sim.sweeps.store import Results
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key, Trial
from oxnor.sim.verify.inputs import Inputs, inputs_for

RATES = (0.001, 0.01, 0.1)


def rows(path):
    with Results(path) as results:
        return [(t.key, t.errors, t.confusion.tolist()) for t in results.trials()]


def run_cli(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-5:1e-1:5", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        ("0.01,0.1", (0.01, 0.1)),
        ("1e-3", (1e-3,)),
        ("1e-3:1e-2:3", (0.001, 0.00316228, 0.01)),
    ],
)
def test_grids(text, expected):
    assert parse_rates(text) == expected


@pytest.mark.parametrize("text", ["", "0:1:3", "0.1:2:3", "a", "0.1,2", "0.1:0.2", "nan", "-1"])
def test_grids_wrong(text):
    with pytest.raises(InputError) as e:
        parse_rates(text)
    assert str(e.value) == (
        f"ber must be LOW:HIGH:COUNT or rates with commas, each a share in (0, 1], not {text!r}"
    )


@pytest.mark.parametrize(("text", "rule"), [
    ("1:0.1:3", "LOW below HIGH in LOW:HIGH:COUNT"), ("0.1:1:0", "COUNT in [1, 1000]"), ("1e-3:1e-1:999999999", "COUNT in [1, 1000]"),
])  # fmt: skip
def test_grids_with_a_wrong_end_or_count(text, rule):
    with pytest.raises(InputError) as e:
        parse_rates(text)
    assert str(e.value) == f"ber must have {rule}, not {text!r}"


def test_each_trial_is_that_draw_in_the_golden_model(tmp_path, network, inputs):
    params = SweepParams(RATES, 3, seed=4, layers=(ALL_LAYERS, 1))
    assert sweep(network, inputs, params, tmp_path / "r.sqlite").computed == 1 + 3 * 3 * 2
    right = golden.predict(network, inputs.images)
    with Results(tmp_path / "r.sqlite") as results:
        for trial in results.trials():
            key = trial.key
            layer = None if key.layer == ALL_LAYERS else key.layer
            faults = FaultMap.draw(network, ber=key.rate, seed=4, trial=key.trial, layer=layer)
            predicted = golden.predict(faults.apply(network), inputs.images)
            assert trial.correct == np.count_nonzero(predicted == right)
            assert trial.errors == faults.count
            for a, b in ((0, 0), (3, 4)):
                assert trial.confusion[a, b] == np.count_nonzero((right == a) & (predicted == b))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("static", {}),
        ("asymmetric", {"ratio": 0.5}),
        ("stuck", {"ones": 1.0}),
        ("cluster", {"shape": "row", "macro": [8, 16]}),
        ("device", {"macro": [16, 16]}),
        ("read", {}),
    ],
)
def test_results_do_not_depend_on_workers_or_order(tmp_path, network, inputs, kind, options):
    more = {"device": devices.load("weak-3.3e-2")} if kind == "device" else {}
    params = SweepParams(RATES, 4, kind, options, **more)
    sweep(network, inputs, params, tmp_path / "one.sqlite", workers=WorkerOptions(jobs=1))
    sweep(network, inputs, params, tmp_path / "many.sqlite", workers=WorkerOptions(jobs=7))
    for trial in (3, 0, 2, 1, 0):  # parts in another order, one of them again
        part = SweepParams(RATES[::-1], trial + 1, kind, options, **more)
        sweep(network, inputs, part, tmp_path / "parts.sqlite")
    expected = rows(tmp_path / "one.sqlite")
    assert len(expected) == 13
    assert rows(tmp_path / "many.sqlite") == expected
    assert rows(tmp_path / "parts.sqlite") == expected


def test_read_errors_are_those_of_the_golden_model(tmp_path, network, inputs):
    params = SweepParams((0.01, 0.1), 2, "read", layers=(ALL_LAYERS, 1))
    assert params.rates == (655 / 65536, 6554 / 65536)
    sweep(network, inputs, params, tmp_path / "r.sqlite")
    evaluator = Evaluator(work_for(network, inputs, params))
    right = golden.predict(network, inputs.images)
    with Results(tmp_path / "r.sqlite") as results:
        found = {t.key: t for t in results.trials()}
    assert len(found) == 1 + 2 * 2 * 2
    for key, trial in found.items():
        if key.layer == ALL_LAYERS:
            predicted = golden.predict(network, inputs.images, read_errors=errors_of(evaluator.work, key))
            assert trial.correct == np.count_nonzero(predicted == right)
    key = Key(1, params.rates[1], 0)
    before, wrong = golden.layer_outputs(network, inputs.images)[0], errors_of(evaluator.work, key).layer(1)
    scores = network.layers[1].evaluate(pack_words(before), "numpy", wrong)
    assert found[key].correct == np.count_nonzero(golden.argmax(scores) == right)
    with pytest.raises(InputError, match=r"^rates must be 0 or at least 7\.6e-06, not 1e-06$"):
        SweepParams((1e-6,), 1, "read")


def test_device_errors_have_the_rate_of_the_axis_and_come_in_columns(tmp_path, random_network):
    """Pairs of one device whose states are moved: the drawn rate is the closed form's, offsets hit whole columns."""
    wide = random_network((300, 320, 10))
    device = dataclasses.replace(devices.load("weak-3.3e-2"), offset_sigma=2.0)
    params = SweepParams((0.003, 0.03), 4, "device", {"macro": [64, 64]}, device=device)
    sweep(wide, inputs_for(wide, DataOptions(20)), params, tmp_path / "r.sqlite")
    with Results(tmp_path / "r.sqlite") as results:
        found = [(t.key.rate, t.errors / wide.n_weights) for t in results.trials() if t.key.rate]
        assert results.header["options"]["device"] == "weak-3.3e-2"
    for rate in params.rates:
        assert np.mean([share for r, share in found if r == rate]) == pytest.approx(rate, rel=0.3)
    evaluator = Evaluator(work_for(wide, inputs_for(wide, DataOptions(20)), params))
    flips = errors_of(evaluator.work, Key(ALL_LAYERS, 0.03, 0)).flips[0]
    columns = np.bincount(flips // 300 // 64 * 300 + flips % 300, minlength=5 * 300)
    assert np.var(columns) > 3 * np.mean(columns)  # independent errors: about equal
    other = dataclasses.replace(params, device=dataclasses.replace(device, lrs_sigma=0.5))
    with pytest.raises(InputError, match="options must be"):
        sweep(wide, inputs_for(wide, DataOptions(20)), other, tmp_path / "r.sqlite")


def test_torch_backend_writes_the_same_rows(tmp_path, network, inputs):
    pytest.importorskip("torch")
    params = SweepParams(RATES, 2)
    sweep(network, inputs, params, tmp_path / "cpu.sqlite")
    sweep(network, inputs, params, tmp_path / "torch.sqlite", workers=WorkerOptions(backend="torch"))
    assert rows(tmp_path / "torch.sqlite") == rows(tmp_path / "cpu.sqlite")
    assert sweep(network, inputs, params, tmp_path / "cpu.sqlite", workers=WorkerOptions(backend="torch")).computed == 0


def test_more_rates_trials_and_layers_extend_the_file(tmp_path, network, inputs):
    path = tmp_path / "r.sqlite"
    assert sweep(network, inputs, SweepParams((0.1,), 2), path).computed == 3
    assert sweep(network, inputs, SweepParams((0.1,), 2), path).computed == 0
    assert sweep(network, inputs, SweepParams((0.1,), 5), path).computed == 3
    assert sweep(network, inputs, SweepParams((0.1, 0.2), 2), path).computed == 2
    assert sweep(network, inputs, SweepParams((0.1,), 2, layers=(0,)), path).computed == 2
    assert len(rows(path)) == 10


def test_adaptive_trials_go_where_the_mean_is_not_known(tmp_path, network, inputs):
    params = SweepParams((1e-7, 0.3), 3, precision=0.01, trials_max=40)
    sweep(network, inputs, params, tmp_path / "r.sqlite")
    with Results(tmp_path / "r.sqlite") as results:
        low, high = results.curves()[ALL_LAYERS].points
    assert low.trials == 3
    assert high.trials > 5
    assert high.trials == 40 or high.mean_high - high.mean_low <= 0.02
    assert sweep(network, inputs, params, tmp_path / "r.sqlite").computed == 0
    with Results(tmp_path / "r.sqlite") as results:
        assert sorted(k.trial for k in results.done() if k.rate == 0.3) == list(range(high.trials))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed must be 0 as in the file, not 1"),
        ({"kind": "stuck"}, "kind must be static as in the file, not stuck"),
        ({"network": "other"}, "network must be net as in the file, not other"),
        ({"images": 100}, "images must be 200 as in the file, not 100"),
    ],
)
def test_trials_of_something_else_are_refused_by_name(tmp_path, network, inputs, random_network, change, message):
    path = tmp_path / "r.sqlite"
    sweep(network, inputs, SweepParams(RATES, 1), path)
    before = rows(path)
    other = random_network((60, 50, 10), name="other") if "network" in change else network
    its = inputs_for(other, DataOptions(change.get("images", 200)))
    params = SweepParams(RATES, 1, change.get("kind", "static"), seed=change.get("seed", 0))
    with pytest.raises(InputError) as e:
        sweep(other, its, params, path)
    assert str(e.value) == f"{path}: {message}: give another file for other trials"
    assert rows(path) == before


def test_another_network_of_the_same_name_is_refused(tmp_path, network, random_network):
    path = tmp_path / "r.sqlite"
    sweep(network, inputs_for(network, DataOptions(20)), SweepParams(RATES, 1), path)
    other = random_network((60, 50, 10), seed=1, name="net")
    with pytest.raises(InputError, match=r"network digest must be [0-9a-f]{16}… as in the file, not [0-9a-f]{16}…"):
        sweep(other, inputs_for(other, DataOptions(20)), SweepParams(RATES, 1), path)


def damage(path, what):
    if what == "text":
        path.write_text("rate,accuracy\n" * 10)
        return
    if what == "short":
        path.write_bytes(path.read_bytes()[:5000])
        return
    db = sqlite3.connect(path)
    with db:
        db.execute(what)
    db.close()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("text", "is not a results file of oxnor sweep"),
        ("short", "cannot be used as a results file (database disk image is malformed)"),
        ("DROP TABLE header", "is not a results file of oxnor sweep"),
        ("UPDATE header SET value = 'x'", "header must be JSON texts"),
        ("UPDATE header SET value = 9 WHERE key = 'version'", "header.version must be 1, not 9: the file is from another"),
        ("UPDATE header SET value = 0 WHERE key = 'classes'", "header.classes must be in [1, 65536], not 0"),
        ("DELETE FROM header WHERE key = 'seed'", "header.seed is missing"),
        ("UPDATE trials SET confusion = x'00'", "confusion must have 400 bytes"),
        ("UPDATE trials SET confusion = zeroblob(400)", "confusion must add up to the 200 images, not 0"),
        ("DELETE FROM trials WHERE rate = 0", "holds no trial without errors yet: run the sweep again, it goes on"),
        ("DELETE FROM trials WHERE rate > 0", "holds no trial with errors yet"),
    ],
)
def test_damaged_files_are_refused(tmp_path, network, inputs, what, message):
    path = tmp_path / "r.sqlite"
    sweep(network, inputs, SweepParams(RATES, 1), path)
    damage(path, what)
    result = run_cli("report", path, "-o", tmp_path / "page.html")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith(f"oxnor: {path}: ")
    assert not (tmp_path / "page.html").exists()


@pytest.fixture(scope="module")
def conv_results(tmp_path_factory):
    network = random_conv_network((6, 6, 1), [Conv(5, levels=3), Conv(4)], classes=10)
    inputs = Inputs(np.random.default_rng(0).integers(0, 256, (20, 36), np.uint8), np.arange(20) % 10, "drawn")
    path = tmp_path_factory.mktemp("conv") / "conv.sqlite"
    sweep(network, inputs, SweepParams((0.01, 0.02, 0.05, 0.1), 1), path)
    return path


def test_the_page_of_convolutions_shows_feature_maps(conv_results):
    story = Story.read(conv_results)
    assert story.example.rates == (0.01, 0.05, 0.1)
    assert [m.clean.shape for m in story.example.maps] == [(5, 4, 4), (4, 2, 2)]
    assert (story.example.maps[0].levels, story.example.pixels.shape) == (3, (6, 6))
    assert "Feature maps" in build_page([story])


@pytest.mark.parametrize(
    "path",
    ["image", "image.shape", "image.pixels", "rates", "layers", "layers.0", "layers.0.maps", "layers.0.maps.1",
     "layers.0.shape", "layers.0.levels", "layers.0.shares", "layers.0.channels", "layers.0.layer"],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, "AA==", -1, [], [1 << 40], {"a": 1}, ["é"]], ids=str)
def test_a_damaged_example_is_one_sentence(conv_results, path, value):
    with Results(conv_results) as results:
        example = results.header["example"]
    *way, last = path.split(".")
    place = example
    for key in way:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    with pytest.raises(InputError, match=r"header\.example must hold an image, rates and feature maps"):
        Example.from_json(example, "r.sqlite")


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path):
    """``kill -9`` during a real sweep: what was written stays, the rest is computed, and no row comes twice."""
    path = tmp_path / "r.sqlite"
    command = ["sweep", "mnist-tfc", "--ber", "1e-3:1e-1:10", "--trials", "100", "--images", "2000", "-o", str(path)]
    # It gives way to this process, so that it is not done before it is killed.
    process = subprocess.Popen(
        ["nice", "-n", "10", sys.executable, "-m", "oxnor.cli", *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    count = 0
    while count < 20 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
        if path.is_file():
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                    count = db.execute("SELECT count(*) FROM trials").fetchone()[0]
            except sqlite3.OperationalError:
                continue
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = len(rows(path))
    assert 20 <= there < 1001
    result = run_cli(*command, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["computed"] == 1001 - there
    assert found["trials"] == 1000
    whole = tmp_path / "whole.sqlite"
    assert run_cli(*command[:-1], whole).exit_code == 0
    assert rows(whole) == rows(path)


def test_a_dask_worker_that_dies_costs_nothing(tmp_path, network, inputs):
    """A real scheduler with two worker processes; one is killed in mid-sweep."""
    distributed = pytest.importorskip("distributed")
    params = SweepParams(RATES, 40)
    sweep(network, inputs, params, tmp_path / "here.sqlite")
    killed = []
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options, silence_logs=50) as cluster:
        with distributed.Client(cluster) as client:
            pids = list(client.run(os.getpid).values())
        assert len(pids) == 2

        def kill_one(done, total, found):
            if done >= 5 and not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        path = tmp_path / "there.sqlite"
        assert sweep(network, inputs, params, path, workers=WorkerOptions(scheduler=cluster.scheduler_address), progress=kill_one).computed == 121
    assert killed
    assert rows(path) == rows(tmp_path / "here.sqlite")


def test_no_scheduler_there(tmp_path, network, inputs):
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match=r"^scheduler must be the address of a running Dask scheduler: 'tcp://127"):
        sweep(network, inputs, SweepParams(RATES, 1), tmp_path / "r.sqlite", workers=WorkerOptions(scheduler="tcp://127.0.0.1:1"))


@pytest.mark.cosim
def test_trials_through_the_rtl(tmp_path, random_network):
    random_network((37, 13, 5), name="small").save(tmp_path / "small.npz")
    common = ("sweep", tmp_path / "small.npz", "--ber", "0.01,0.1", "--trials", 3, "--images", 50, "--random-inputs")
    result = run_cli(*common, "-o", tmp_path / "r.sqlite", "--verify", 2, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["verified"], found["mismatches"]) == (2, 0)
    # A row that is not what the RTL gives must be found.
    with Results(tmp_path / "r.sqlite") as results:
        checked = list(results.checks())
    db = sqlite3.connect(tmp_path / "r.sqlite")
    with db:
        blob = np.zeros((5, 5), "<i4")
        blob[0, 0] = 50
        db.execute("UPDATE trials SET confusion = ? WHERE rate > 0", (blob.tobytes(),))
    db.close()
    result = run_cli(*common, "-o", tmp_path / "r.sqlite", "--verify", 2)
    assert result.exit_code == 1
    assert "The RTL differs in 2 results" in result.stderr
    with Results(tmp_path / "r.sqlite") as results:
        assert results.checks() == dict.fromkeys(checked, 1)


def test_command_draws_exports_and_says(tmp_path, random_network):
    random_network((60, 50, 10), name="net").save(tmp_path / "net.npz")
    result = run_cli(
        "sweep", tmp_path / "net.npz", "--ber", "0.01,0.1", "--trials", 3, "--images", 100, "--layer", "each", "--random-inputs",
        "-o", tmp_path / "r.sqlite", "--plot", tmp_path / "a.svg", "--export", tmp_path / "t.csv",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "95 % interval of mean" in result.stdout
    assert "net, layer 1: agreement with the network without errors; without labels there is no accuracy" in result.stderr
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    with open(tmp_path / "t.csv", newline="") as file:
        table = list(csv.DictReader(file))
    expected = rows(tmp_path / "r.sqlite")
    assert len(table) == len(expected) == 1 + 3 * 2 * 3
    assert [Key(int(r["layer"]), float(r["rate"]), int(r["trial"])) for r in table] == [key for key, _, _ in expected]
    assert [int(r["errors"]) for r in table] == [errors for _, errors, _ in expected]


def test_parquet_has_the_same_rows(tmp_path, network, inputs):
    parquet = pytest.importorskip("pyarrow.parquet")
    sweep(network, inputs, SweepParams(RATES, 2), tmp_path / "r.sqlite")
    with Results(tmp_path / "r.sqlite") as results:
        export(results, tmp_path / "t.parquet")
        export(results, tmp_path / "t.csv")
    table = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    with open(tmp_path / "t.csv", newline="") as file:
        assert [{k: str(v) for k, v in r.items()} for r in table] == list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ratio", "0.5"), "--ratio goes with --kind asymmetric, not with static"),
        (("--kind", "odd"), "--kind must be one of static, asymmetric, stuck, cluster, sign, step, read, device, not 'odd'"),
        (("--kind", "cluster", "--cluster", "x"), "--cluster must be one of row, column, amplifier, not 'x'"),
        (("--kind", "stuck", "--device", "weak-3.3e-2"), "--device and --kind must not be given together: the device says what is wrong"),
        (("--kind", "device"), "--device must be given for kind device"),
        (("--device", "unformed-1e-3", "--ber", "1e-5"), "target error rate must be above 0.001, which unformed devices cause, not 1e-05"),
        (("--layer", "7"), "--layer must be in [0, 3], not 7"),
        (("--layer", "x"), "--layer must be a layer's number, 'each' or 'all', not 'x'"),
        (("--trials", "0"), "--trials must be in [1, 100000], not 0"),
        (("--jobs", "0"), "--jobs must be in [1, 4096], not 0"),
        (("--backend", "gpu"), "--backend must be one of cpu, torch, not 'gpu'"),
        (("--plot", "a.gif"), "--plot must end in .svg, .png or .pdf, not 'a.gif'"),
        (("--export", "a.xls"), "--export must end in .csv or .parquet, not 'a.xls'"),
        (("--limit", "0"), "--limit must be above 0 and below 100 points, not 0.0"),
        (("--verify", "-1"), "--verify must be at least 0, not -1"),
        (("--confidence", "95"), "--confidence must come with --half-width"),
        (("--adaptive", "100"), "--adaptive must be above 0 and below 100 points, not 100.0"),
        (("--ber", "1:2"), "--ber must be LOW:HIGH:COUNT or rates with commas, each a share in (0, 1], not '1:2'"),
    ],
)
def test_bad_input(tmp_path, arguments, message):
    result = run_cli("sweep", "mnist-tfc", "--images", 10, "-o", tmp_path / "r.sqlite", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"oxnor: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def stories(tmp_path, network, inputs):
    found = []
    for kind in ("static", "stuck"):
        path = tmp_path / f"{kind}.sqlite"
        sweep(network, inputs, SweepParams(RATES, 3, kind, layers=(ALL_LAYERS, 0, 1)), path, command=f"oxnor sweep {kind}")
        found.append(Story.read(path))
    return found


def test_page_tells_all(stories, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(build_page(stories), encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    for part in ("oxnor sweep static", "Sensitivity of the layers", "layer 1", "net, stuck", "0.001", "without errors"):
        assert part in text
    assert str(tmp_path) not in text


def test_page_in_a_browser(stories, tmp_path, in_browser):
    page = tmp_path / "page.html"
    page.write_text(build_page(stories), encoding="utf-8")
    found = in_browser(page)
    assert found["figures"] == found["pictures"] == 1 + 2 * 3


def test_report_writes_pictures(stories, tmp_path):
    paths = [story.path for story in stories]
    result = run_cli("report", *paths, "-o", tmp_path / "p.html", "--plots", tmp_path / "plots", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [r["kind"] for r in found["results"]] == ["static", "stuck"]
    names = {f"{kind}-{plot}.{end}" for kind in ("static", "stuck") for plot in ("accuracy", "layers", "confusion")
             for end in ("svg", "png")}  # fmt: skip
    assert {p.name for p in (tmp_path / "plots").iterdir()} == names | {"together.svg", "together.png"}


def test_report_writes_the_kinds_of_pictures_that_are_asked_for(stories, tmp_path):
    options = ("-o", tmp_path / "p.html", "--plots", tmp_path / "plots", "--panels", "--format")
    assert run_cli("report", stories[0].path, *options, " pdf").exit_code == 0
    written = {p.name for p in (tmp_path / "plots").iterdir()}
    assert written >= {f"static-{name}.pdf" for name in ("accuracy", "layers", "confusion-0")}
    assert "static-confusion.pdf" not in written
    refused = run_cli("report", stories[0].path, *options, "gif")
    assert (refused.exit_code, refused.stderr) == (2, "oxnor: --format must be some of svg, png, pdf, not 'gif'\n")


def test_results_in_one_line_and_as_a_picture(network, inputs, tmp_path):
    result = sweep(network, inputs, SweepParams((0.01, 0.3), 2), tmp_path / "r.sqlite")
    clean = result.curves[ALL_LAYERS].clean
    assert repr(result).startswith(f"SweepResult({network.name}: {100 * clean:.2f} % without errors, 0.5 points lost at")
    assert repr(result).endswith(f"; 4 trials in {tmp_path / 'r.sqlite'})")
    assert "\n" not in repr(result)
    assert result.to_json()["computed"] == result.computed == 5
    result.save_plot(tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert result.plot()._repr_svg_().startswith("<svg")
    assert len(result.plot("confusion").figure().axes) == 2
    with Results(tmp_path / "r.sqlite") as results:
        assert repr(results) == f"Results('{tmp_path / 'r.sqlite'}': {network.name}, 5 trials)"
    assert repr(inputs).startswith("Inputs(200 images of ")


def test_two_that_begin_at_once_share_the_new_file(tmp_path):
    """Whoever makes the tables first: the other finds them, and neither fails."""
    code = (
        "import sys, time\n"
        "from helpers.formats import header_of_a_sweep\n"
        "from oxnor.sim.sweeps.store import Results\n"
        "about = header_of_a_sweep()\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "for k in range(20):\n"
        "    Results(f'{sys.argv[1]}/{k}.sqlite', about).close()\n"
    )
    at = str(time.time() + 4)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), at], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, said = process.communicate(timeout=600)
        assert (process.returncode, said) == (0, "")


def test_the_page_of_a_file_with_errors_in_a_layer_alone(tmp_path):
    with Results(tmp_path / "r.sqlite", header_of_a_sweep()) as results:
        for key in (Key(ALL_LAYERS, 0.0, 0), Key(0, 0.01, 0)):
            results.add(Trial(key, 3, np.diag([4, 3, 3]), 0.1))
    story = Story.read(tmp_path / "r.sqlite")
    assert "confusion" in story.plots
    assert chosen_rates(story) == [0.0]


def test_a_page_of_somebody_elses_file_runs_no_script(tmp_path):
    nasty = 'x"><script>alert(1)</script>'
    told = {"network": nasty, "inputs": nasty, "command": nasty, "kind": nasty, "options": {nasty: nasty}, "made": {nasty: nasty}}
    with Results(tmp_path / "r.sqlite", header_of_a_sweep() | told) as results:
        for key in (Key(ALL_LAYERS, 0.0, 0), Key(ALL_LAYERS, 0.01, 0), Key(ALL_LAYERS, 0.1, 0), Key(0, 0.01, 0)):
            results.add(Trial(key, 3, np.diag([4, 3, 3]), 0.1))
        results.add_check(Key(ALL_LAYERS, 0.01, 0), 0, nasty)
    story = Story.read(tmp_path / "r.sqlite")
    for stories in ([story], [story, story]):
        page = build_page(stories)
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
