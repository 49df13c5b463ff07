"""Spoken digits as events: a small cochlea, a spiking network trained in numpy, and the files for its engine.

    python docs/examples/spoken_digits.py FSDD.npz build/digits

FSDD.npz holds the Free Spoken Digit Dataset (CC BY-SA 4.0): ``samples`` (int16, 8 kHz, all recordings end to end),
``length``, ``label`` and ``index``; recordings 0 to 4 of each speaker and digit are the test set. Written are
``digits.npz``, the network, and ``test.npz``, the events of the test set with their labels; then

    oxnor simulate build/digits/digits.npz --events build/digits/test.npz --raster digit.svg
    oxnor sweep build/digits/digits.npz --events build/digits/test.npz
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from oxnor.models.golden import spiking as golden
from oxnor.models.networks.encoders import Encoder, Events
from oxnor.models.networks.spiking import Decision, Neuron, SpikingLayer, SpikingNetwork

BANDS, PARTS, TICKS, FRAME = 24, 10, 80, 256
HIDDEN, WEIGHT_MAX, THETAS = 64, 4, (16, 16)


def cochlea(sound):
    """Return the level of each band in each tick, in [0, 1], shape (TICKS, BANDS): what a row of hair cells feels."""
    starts = np.linspace(0, max(len(sound) - FRAME, 1), TICKS).astype(int)
    frames = np.stack([np.pad(sound[s : s + FRAME], (0, max(0, s + FRAME - len(sound)))) for s in starts])
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2
    # Bands of equal width on the mel scale, 100 Hz to 4 kHz, triangles that meet at half height.
    mel = np.linspace(1127 * np.log1p(100 / 700), 1127 * np.log1p(4000 / 700), BANDS + 2)
    edges = 700 * np.expm1(mel / 1127) * FRAME / 8000
    bins, low, mid, high = np.arange(power.shape[1])[:, None], edges[:-2], edges[1:-1], edges[2:]
    filters = np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None)
    level = np.log10(power @ filters + 1e-9)
    return np.clip((level - level.max() + 3.5) / 3.5, 0, 1)  # the loudest 35 dB


def spikes(level):
    """Return the events of a sound: a hair cell adds up its level and spikes when the sum reaches 1.

    The address is the band in one of PARTS parts of the sound, so that the network knows what came when.
    """
    total, ticks, addresses = np.zeros(BANDS), [], []
    for tick in range(TICKS):
        total += level[tick]
        fired = np.flatnonzero(total >= 1)
        total[fired] -= 1
        ticks += [tick] * len(fired)
        addresses += (fired + BANDS * (tick * PARTS // TICKS)).tolist()
    return Events.make(ticks, addresses)


def rounded(weights):
    """Return weights in [-1, 1] as whole numbers."""
    return np.rint(weights * WEIGHT_MAX)


def trained(counts, labels, epochs=60, seed=1):
    """Return the weights of two layers: a rate network of spike counts, whose rounded weights compute (numpy, Adam)."""
    g = np.random.default_rng(seed)
    shapes = [(HIDDEN, counts.shape[1]), (10, HIDDEN)]
    weights = [g.uniform(-1, 1, s) * 4 / np.sqrt(s[1]) for s in shapes]
    mean, square = ([np.zeros(s) for s in shapes] for _ in range(2))
    step, answer = 0, np.eye(10)[labels]
    for epoch in range(epochs):
        rate = 0.005 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for part in np.array_split(g.permutation(len(counts)), max(1, len(counts) // 128)):
            # Words are not all spoken alike: some spikes are left out.
            x = counts[part] * (g.random((len(part), counts.shape[1])) > 0.1)
            first, second = (rounded(w) for w in weights)
            hidden = np.maximum(x @ first.T, 0) / THETAS[0]
            out = 0.02 * hidden @ second.T
            wrong = np.exp(out - out.max(1, keepdims=True))
            wrong = (wrong / wrong.sum(1, keepdims=True) - answer[part]) / len(part)
            back = (0.02 * wrong @ second) * (hidden > 0) / THETAS[0]
            step += 1
            for k, slope in enumerate((back.T @ x, 0.02 * wrong.T @ hidden)):  # straight through the rounding
                mean[k] += 0.1 * (slope - mean[k])
                square[k] += 0.001 * (slope**2 - square[k])
                size = np.sqrt(square[k] / (1 - 0.999**step)) + 1e-8
                weights[k] = np.clip(weights[k] - rate * mean[k] / (1 - 0.9**step) / size, -1, 1)
    return [rounded(w).astype(int) for w in weights]


def main(source, folder):
    """Encode, train, measure and write."""
    data = dict(np.load(source))
    ends = np.cumsum(data["length"])
    streams = [spikes(cochlea(data["samples"][a:b] / 32768)) for a, b in itertools.pairwise([0, *ends])]
    counts = np.stack([np.bincount(s.addresses, minlength=BANDS * PARTS) for s in streams]).astype(float)
    labels, test = data["label"].astype(int), data["index"] < 5
    layers = tuple(
        SpikingLayer.from_weights(w, Neuron(WEIGHT_MAX, theta, v_init=theta // 2, bipolar=last, v_bits=14))
        for w, theta, last in zip(trained(counts[~test], labels[~test]), THETAS, (False, True), strict=True)
    )
    network = SpikingNetwork(
        "spoken-digits", layers, Decision(delta_s=0, window=TICKS), Encoder(kind="external"),
        info={"origin": "trained on the Free Spoken Digit Dataset (CC BY-SA 4.0)"}, classes=tuple("0123456789"),
    )  # fmt: skip
    for name, part in (("train", ~test), ("test", test)):
        readout = golden.run_events(network, [s for s, here in zip(streams, part, strict=True) if here])
        right, events = np.mean(readout.winners == labels[part]), readout.used[:, 0].mean()
        print(f"{name}: {100 * right:.2f} % of {part.sum():,} words, {events:.0f} input spikes a word")
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "digits.npz")
    chosen = [s for s, here in zip(streams, test, strict=True) if here]
    np.savez_compressed(
        folder / "test.npz", tick=np.concatenate([s.ticks for s in chosen]), label=labels[test],
        address=np.concatenate([s.addresses for s in chosen]),
        sample=np.repeat(np.arange(len(chosen)), [len(s.ticks) for s in chosen]),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
