"""A small valid file of every format that is read, and its reader: the table of :mod:`helpers.damage`.

A reader returns what it has read, and uses it first: an object that cannot be used is found too.
"""

import functools
import gzip
import importlib.util
import itertools
import json
import lzma
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from helpers import damages, import_fuzz, onnx_convolutions
from helpers.convolutions import Conv, random_conv_network
from helpers.damages import damage_archive, damage_bytes, damage_sqlite, damage_toml, damaged_json_bytes

from oxnor.design import Design
from oxnor.example import EXAMPLE
from oxnor.fpga.boards.file import read_board
from oxnor.hw.interface import link_protocol
from oxnor.models import zoo
from oxnor.models.analog import cell, int8
from oxnor.models.base import replace as replacing
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import read_events
from oxnor.models.datasets.files import read_dataset, read_labels
from oxnor.models.devices import model as device_model
from oxnor.models.devices.fit_file import fit_csv
from oxnor.models.devices.lab.files import read_readings
from oxnor.models.exchange.compared import read_images
from oxnor.models.exchange.export_network import export_network
from oxnor.models.exchange.import_network import import_network
from oxnor.models.faults.fault_map import FaultMap
from oxnor.models.faults.read_errors import ReadErrors
from oxnor.models.golden import registry
from oxnor.models.learning import pulse_devices, update_tables
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.encoders import Encoder
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork
from oxnor.models.technology import library, process, technology
from oxnor.models.technology import results as circuit_results
from oxnor.run import RECORD
from oxnor.run import Record as StepRecord
from oxnor.sim.runner import cache
from oxnor.sim.studies import compare_costs
from oxnor.sim.sweeps.evaluator import work_for
from oxnor.sim.sweeps.page import Story
from oxnor.sim.sweeps.params import SweepParams
from oxnor.sim.sweeps.run import header
from oxnor.sim.sweeps.store import Results
from oxnor.sim.sweeps.trial import ALL_LAYERS, Key, Trial
from oxnor.sim.verify.inputs import Inputs
from oxnor.sim.verify.soak import Record

#: Files of networks.
NETWORKS = (
    "binarized.npz", "version2.npz", "network_version1.npz", "network_version2.npz", "spiking_version1.npz",
    "ternary.npz", "convolution.npz", "planes.npz", "presentations.npz", "spiking.npz", "spiking-events.npz",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How the files of a format are read and damaged.

    Parameters
    ----------
    read : callable
        Path to what is read.
    damages : tuple of callable
        (generator, bytes) to bytes.
    every : int
        One in how many of the seeds is tried, where reading takes long.
    sealed : bool
        Whether the format has a checksum over all that counts: a file whose bytes are damaged is refused, or read as
        it was.
    """

    read: object
    damages: tuple = (damage_bytes,)
    every: int = 1
    sealed: bool = False


def small_network():
    g = np.random.default_rng(1)
    weights = [g.random((n_out, n_in)) < 0.5 for n_in, n_out in itertools.pairwise((9, 5, 3))]
    thresholds = [g.integers(0, 9, 5), None]
    return Network.from_arrays(weights, thresholds, g.integers(-9, 9, 3), g.integers(1, 9, 3), name="small")


def header_of_a_sweep(network=None):
    """Return the header of a results file with 10 images."""
    network = network or small_network()
    inputs = Inputs(np.random.default_rng(2).random((10, 9)) < 0.5, np.arange(10) % 3, "drawn")
    params = SweepParams(rates=(0.01,), trials=2)
    return header(network, inputs, params, work_for(network, inputs, params), "oxnor sweep")


def in_folder(place, beside, read):
    """Return a reader of a file that stands at `place` in a folder, with the files `beside` it."""

    def reader(path):
        folder = path.parent / "damaged-folder"
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in beside.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / place)
        return read(folder)

    return reader


def _network(path):
    """Read a network, and let the golden model answer an image."""
    network = zoo.load(path)
    if not registry.takes_events(network):
        kind = registry.type_of(network)
        n = kind.pixels(network)
        if n <= 1 << 12 and network.n_synapses <= 1 << 20:
            images = (np.arange(n, dtype=np.uint32) * 37 % 256).astype(np.uint8)[None]
            classes = kind.predict(network, kind.inputs(network, images.astype(np.int16) - 128 if kind.signs(network) else images))
            assert 0 <= classes[0] < network.n_out
    return network


def _int8(path):
    network = int8.Int8Network.load(path)
    assert 0 <= network.predict(np.full((1, network.layers[0].weights.shape[1]), 9, np.uint8))[0] < 256
    return network


def _faults(path):
    found = FaultMap.load(path)
    return repr(found), found.counts, found


def _data(path):
    found = read_dataset(path)
    assert found.labels is None or len(found.labels) == len(found), "labels that do not fit the images"
    return repr(found), found


def _imported(path, **options):
    found = import_network(path, **options)
    assert found.ok, "differs from its source"
    return found.network.digest


def _sweep(path):
    with Results(path) as results:
        return results.checks(), results.done(), results.curves(), results.confusions()


def _story(path):
    story = Story.read(path)
    return story.verdict(), story.axis, sorted(story.plots)


def _entry(folder):
    if not cache.is_whole(folder / "entry"):
        raise InputError(f"{folder} is made again")
    return True


def _step(folder):
    record = StepRecord.read(folder, "key")
    if record is None:
        raise InputError("the step is done again")
    return record


def _manifest(folder):
    """A folder is written anew: what is not ours stays."""
    with replacing.whole_folder(folder / "out") as new:
        (new / "file").write_text("new")
    assert (folder / "out/mine").read_text() == "mine"
    return (folder / "out/file").read_text()


def _frame(parse, path):
    parts = [parse(part) for part in path.read_bytes().split(bytes([link_protocol.END]))]
    known = [part for part in parts if part is not None]
    if not known:
        raise InputError("no frame is right")
    return known


def _response(path):
    return _frame(link_protocol.parse_response, path)


def _request(path):
    found = _frame(lambda part: part if link_protocol.judge(part, IDENTITY) is link_protocol.Status.OK else None, path)
    return [link_protocol.unslip(part) for part in found]


def _identity(path):
    found = link_protocol.Identity.from_bytes(path.read_bytes())
    if found is None or found.fault():
        raise InputError("is no identity")
    return found


IDENTITY = link_protocol.Identity(1, 2, 98, 1176, 12_000_000, 4, "icebreaker", ("fault_injector",))


def _checkpoints(folder):
    """Write a checkpoint of a training; return its reader, which goes on with the training."""
    from oxnor.models.training.binarized import TrainParams, train

    g = np.random.default_rng(4)
    images, labels = g.integers(0, 256, (40, 9), np.uint8), np.arange(40) % 3
    params = TrainParams(hidden=(5,), epochs=2, views=0, batch=10, validation=10, teacher=replace(TrainParams().teacher, epochs=0))
    train(params, images, labels, checkpoint=folder / "checkpoint.pt")
    return lambda path: train(params, images, labels, checkpoint=path, resume=True).digest


def write_networks(folder, g):
    """Write networks of every type and version."""
    network = small_network()
    network.save(folder / "binarized.npz")
    about = {"data_set": "digits", "classes": ("a", "b", "c"), "input_rule": np.sort(np.arange(9).reshape(3, 3))}
    replace(network, **about).save(folder / "version2.npz")
    for name in ("network_version1", "network_version2", "spiking_version1"):
        shutil.copy(import_fuzz.FIXTURES / f"{name}.npz", folder)
    Network.from_arrays([g.integers(-1, 2, (5, 9)), g.choice([-1, 1], (3, 5))], [g.integers(5, 12, 5), None]).save(folder / "ternary.npz")
    random_conv_network((6, 6, 1), [Conv(3, pool=(2, 2), has_lowest=True)], (5,)).save(folder / "convolution.npz")
    random_conv_network((5, 5, 1), [Conv(2, levels=3)], (4,), planes=8, levels=3, bits=2).save(folder / "planes.npz")
    weights, thresholds = g.random((4, 9)) < 0.5, np.full(4, 90)
    layers = (DenseLayer(weights, thresholds, planes=8, presentations=20), ScoreLayer(g.random((3, 4)) < 0.5))
    Network("presented", layers, InputRule.planes()).save(folder / "presentations.npz")
    zoo.load("mnist-spirit").save(folder / "spiking.npz")
    events = SpikingLayer.from_weights(g.integers(-3, 4, (3, 6)), Neuron())
    SpikingNetwork("events", (events,), Decision(window=20), Encoder(kind="external")).save(folder / "spiking-events.npz")
    small = [int8.Int8Layer(g.integers(-9, 9, s, dtype=np.int8), np.zeros(s[0], np.int32), 0.1) for s in ((4, 6), (3, 4))]
    int8.Int8Network("small", tuple(small)).save(folder / "int8.npz")
    return network


def write_devices(folder, g, network):
    """Write fault maps, and tables of devices, technologies and boards."""
    FaultMap.draw(network, ber=0.3, seed=1).save(folder / "faults.npz")
    FaultMap(((5, 9), (3, 5)), read=ReadErrors.from_ber(0.01, 3)).save(folder / "reads.npz")
    device_model.load("weak-3.3e-2").save(folder / "device.json")
    rows = [f"d{k % 5},{state},{g.lognormal(9 + 3 * (state == 'HRS'), 0.3):.1f}" for k in range(30) for state in ("LRS", "HRS")]
    (folder / "readings.csv").write_text("\n".join(["device,state,resistance", *rows]) + "\n")
    rows = [f"{k};{g.uniform(1, 9):.2f};{g.uniform(1e3, 9e3):.0f};{k // 5}".replace(".", ",") for k in range(20)]
    (folder / "lab.csv").write_text("\n".join(["# a lab", "cell;LRS (kohm);HRS (kohm);cycles", *rows]) + "\n")
    few = circuit_results.shipped()
    of_default = {name: dict(itertools.islice(getattr(few, name).items(), 1)) for name in ("reads", "offsets")}
    replace(few, **of_default, waveforms={}).save(folder / "circuit.json")
    data = Path(process.__file__).parents[1] / "data"
    for name in ("analog/rram-wan", "pulse-devices/reram-es"):
        shutil.copy(data / f"{name}.toml", folder)
    steps = ["a remark", "1e-4, 2e-4, 3e-4", "0, 0.5, 1", "-1e-6, 0, 0", "0, 1e-6, 1e-6", "1e-6, 2e-6, 3e-6"]
    (folder / "updates.txt").write_text("\n".join(steps) + "\n")
    (folder / "process.toml").write_text(
        'name = "mine"\nlength = 0.15\nwidths = [0.5, 4.0]\nsupplies = [1.0, 1.8]\n[nmos]\nname = "nch"\n'
        'mismatch = ["dvt"]\n[pmos]\nname = "pch"\n[corners]\ntt = "models.spice"\n'
    )
    figure = 'low = 50.0, high = 60.0, unit = "{}", tag = "measured", source = "our chip"'
    figures = {"read": "fJ/bit", "sense": "ns", "periphery": "pJ/row", "area": "um2/bit"}
    rows = [f"{name} = {{{figure.format(unit)}}}" for name, unit in figures.items()]
    head = 'extends = "ihp-sg13g2"\n[[rram]]\nname = "mine"\nsupply_v = 1.2\nprecharge_ns = 5.0\n'
    (folder / "technology.toml").write_text(head + "\n".join(rows) + "\n")
    power = 'internal_power () { rise_power (scalar) { values ("0.01"); } fall_power (scalar) { values ("0.02"); } }'
    (folder / "cells.lib").write_text(
        'library (own) { time_unit : "1ns"; capacitive_load_unit (1,pf); leakage_power_unit : "1pW"; nom_voltage : 1.2; nom_temperature : 25;\n'
        "  cell (inv) { area : 2; cell_leakage_power : 3; pin (A) { direction : input; capacitance : 0.002; }\n"
        f'    pin (Y) {{ direction : output; function : "!A"; {power} }} }} }}\n'
    )
    (folder / "cells.lib.xz").write_bytes(lzma.compress((folder / "cells.lib").read_bytes()))
    (folder / "board.toml").write_text(
        'name = "mine"\nchip = { family = "ecp5", part = "LFE5U-45F-6BG256C" }\nclock = { pin = "P6", mhz = 25 }\n'
        'uart = { rx = "N5", tx = "M6" }\nled = { pin = "B5", active = "low" }\nstandard = "LVCMOS25"\n'
    )


def write_sets(folder, g):
    """Write data sets of every format, and labels."""
    images = g.integers(0, 256, (6, 4, 4), np.uint8)
    np.savez(folder / "set.npz", images=images, labels=np.arange(6) % 3)
    np.savez(folder / "compared.npz", images=images, labels=np.arange(6) % 3, outputs=g.random((6, 3)))
    np.save(folder / "set.npy", images)
    rows = [",".join(map(str, [*image.ravel(), k % 3])) for k, image in enumerate(images)]
    (folder / "set.csv").write_text("\n".join([",".join([*(f"p{k}" for k in range(16)), "label"]), *rows]) + "\n")
    (folder / "labels.txt").write_text("cat\ndog\ncat\n")
    idx = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in images.shape) + images.tobytes()
    (folder / "set.idx").write_bytes(idx)
    (folder / "labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 0, 1, 2]))
    (folder / "set.gz").write_bytes(gzip.compress(idx, mtime=0))
    from PIL import Image

    Image.fromarray(np.repeat(images[0], 3).reshape(4, 4, 3)).save(folder / "picture.png")
    Image.fromarray(images[0]).save(folder / "picture.jpg")
    events = {"tick": np.arange(6), "address": np.arange(6), "sample": np.arange(6) // 2, "label": np.arange(3)}
    np.savez(folder / "events.npz", **events)
    rows = [f"{k},{k},{1 - 2 * (k % 2)},{k // 2},{k // 2}" for k in range(6)]
    (folder / "events.csv").write_text("\n".join(["tick,address,sign,sample,label", *rows]))


def write_sources(folder, g, network):
    """Write networks as other tools have them."""
    export_network(network, folder / "small.onnx")
    export_network(zoo.load("mnist-spirit"), folder / "spiking.nir")
    (folder / "convolution.onnx").write_bytes(onnx_convolutions.conv_network(seed=1, size=(7, 7)).SerializeToString())
    for name in ("larq_sequential.h5", "larq_functional.keras"):
        shutil.copy(import_fuzz.FIXTURES / name, folder)
    for name in ("brevitas_tfc_1w1a.onnx", "finn_tfc_1w1a_hw.onnx"):
        (folder / name).write_bytes(gzip.decompress((import_fuzz.FIXTURES / f"{name}.gz").read_bytes()))
    if importlib.util.find_spec("torch"):
        import torch

        signs = [torch.from_numpy(np.where(layer.weights, 1.0, -1.0)) for layer in network.layers]
        torch.save({f"{k}.weight": w for k, w in enumerate(signs)}, folder / "state.pt")
    np.savez(folder / "arrays.npz", w0=g.random((5, 9)) < 0.5, t0=g.integers(0, 9, 5), w1=g.random((3, 5)) < 0.5)
    g.integers(0, 1 << 8, 16, np.uint64).astype("<u8").tofile(folder / "0-0-weights.bin")


def write_records(folder, network):
    """Write what oxnor itself keeps: designs, sweeps, records, entries of caches, frames of the link."""
    (folder / "design.toml").write_text(EXAMPLE)
    with Results(folder / "results.sqlite", header_of_a_sweep(network)) as results:
        for key in (Key(ALL_LAYERS, 0.0, 0), Key(ALL_LAYERS, 0.01, 0), Key(0, 0.01, 1)):
            results.add(Trial(key, 3, np.diag([4, 3, 3]), 0.1))
        results.add_check(Key(ALL_LAYERS, 0.01, 0), 0, "Verilator")
    shutil.copy(folder / "results.sqlite", folder / "page.sqlite")
    record = {"step": "sweep", "key": "key", "inputs": {"ber": 0.1}, "figures": {"ok": True, "mean": 0.9}, "seconds": 1.0}
    (folder / "step.json").write_text(json.dumps(record))
    (folder / "manifest.json").write_text(json.dumps(["file", "old"]))
    figures = {"nj_per_image": [1.0, 2.0], "latency_us": 3.0, "area_mm2": 0.5}
    report = {"network": "small", "technology": "t", "node_nm": 130, "rram": figures, "sram": figures}
    (folder / "energy.json").write_text(json.dumps(report))
    entry = folder / "entry"
    entry.mkdir(exist_ok=True)
    (entry / "report.json").write_text('{"fits": true}')
    cache.seal(entry)
    (seal,) = (p for p in entry.iterdir() if p.name != "report.json")
    shutil.copy(entry / "report.json", folder / "cached.json")
    payload = bytes(range(0xB0, 0xE0))
    (folder / "request.bin").write_bytes(link_protocol.request(0x20, 7, payload))
    (folder / "response.bin").write_bytes(link_protocol.slip(link_protocol.with_crc(bytes([7, *payload, 0]))))
    (folder / "identity.bin").write_bytes(IDENTITY.to_bytes())
    (folder / "record.json").write_text(json.dumps({"soaks": [{"engine": "e", "counts": {"frames": 3}, "difference": ""}]}))
    return {f"entry/{seal.name}": seal.read_bytes()}


def make_files(folder):
    """Write one small valid file of each format; return the formats by the name of their file."""
    g = np.random.default_rng(1)
    network = write_networks(folder, g)
    write_devices(folder, g, network)
    write_sets(folder, g)
    write_sources(folder, g, network)
    entry = write_records(folder, network)
    archive, plain_json, toml = (damage_bytes, damage_archive), (damage_bytes, damaged_json_bytes), (damage_bytes, damage_toml)
    thresholds = {"0-0-thres.bin": np.full(4, 9, "<i8").tobytes()}
    networks = {p.name: Format(_network, archive, sealed=True) for p in sorted(folder.glob("*.npz")) if p.name in NETWORKS}
    formats = networks | {
        "int8.npz": Format(_int8, archive, sealed=True),
        "faults.npz": Format(_faults, archive, sealed=True),
        "reads.npz": Format(_faults, archive, sealed=True),
        "device.json": Format(device_model.load, plain_json),
        "readings.csv": Format(fit_csv),
        "lab.csv": Format(read_readings),
        "circuit.json": Format(circuit_results.Results.load, plain_json),
        "rram-wan.toml": Format(cell.load, toml),
        "reram-es.toml": Format(pulse_devices.load, toml),
        "updates.txt": Format(update_tables.read_table),
        "process.toml": Format(in_folder("process.toml", {"models.spice": b"* models"}, lambda f: process.load_process(f / "process.toml")), toml),
        "technology.toml": Format(technology.load, toml),
        "cells.lib": Format(library.read_library.__wrapped__),
        "cells.lib.xz": Format(library.read_library.__wrapped__, sealed=True),
        "board.toml": Format(read_board, toml),
        "design.toml": Format(Design.load, toml),
        "set.npz": Format(_data, archive, sealed=True),
        "set.npy": Format(_data),
        "set.csv": Format(_data),
        "set.idx": Format(_data),
        "set.gz": Format(_data, sealed=True),
        "compared.npz": Format(read_images, archive, sealed=True),
        "events.npz": Format(read_events, archive, sealed=True),
        "events.csv": Format(read_events),
        "labels.txt": Format(read_labels),
        "labels.idx": Format(read_labels),
        "picture.png": Format(in_folder("a/1.png", {}, _data)),
        "picture.jpg": Format(in_folder("a/1.jpg", {}, _data)),
        "results.sqlite": Format(_sweep, (damage_bytes, damage_sqlite)),
        "page.sqlite": Format(_story, (damage_bytes, damage_sqlite), 20),
        "energy.json": Format(functools.partial(compare_costs.synthesized, network), plain_json),
        "record.json": Format(lambda path: Record(path, 1, 0).rows, plain_json),
        "step.json": Format(in_folder(RECORD, {}, _step), plain_json),
        "manifest.json": Format(in_folder(f"out/{replacing.MANIFEST}", {"out/mine": b"mine"}, _manifest), plain_json, 10),
        "cached.json": Format(in_folder("entry/report.json", entry, _entry), plain_json, sealed=True),
        "request.bin": Format(_request, (damage_bytes, damages.damage_flips), sealed=True),
        "response.bin": Format(_response, (damage_bytes, damages.damage_flips), sealed=True),
        "identity.bin": Format(_identity),
        "small.onnx": Format(_imported, (damage_bytes, lambda g, data: import_fuzz.onnx_file(g)), 10),
        "convolution.onnx": Format(_imported, (damage_bytes, lambda g, data: import_fuzz.conv_file(g)), 20),
        "brevitas_tfc_1w1a.onnx": Format(_imported, every=40),
        "finn_tfc_1w1a_hw.onnx": Format(_imported, every=40),
        "arrays.npz": Format(_imported, (*archive, lambda g, data: import_fuzz.arrays_file(g)), 5),
        "0-0-weights.bin": Format(in_folder("0-0-weights.bin", thresholds, _imported), every=5),
        "spiking.nir": Format(_imported, every=200),
        "larq_sequential.h5": Format(_imported, every=200),
        "larq_functional.keras": Format(_imported, (damage_bytes, lambda g, data: import_fuzz.keras_file(g)), 200),
    }  # fmt: skip
    if importlib.util.find_spec("torch"):
        formats["state.pt"] = Format(_imported, (*archive, damages.damage_state), 10)
        formats["checkpoint.pt"] = Format(_checkpoints(folder), (*archive, damages.damage_state), 10)
    return formats
