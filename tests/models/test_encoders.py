"""Encoders: what they promise, and the kernels against plain Python."""

from dataclasses import replace

import numpy as np
import pytest

from oxnor.hw.spiking.rate_encoder import lfsr_leap
from oxnor.models import zoo
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.models.golden import spiking as spiking_golden
from oxnor.models.golden.spiking_reference import ReferenceRun
from oxnor.models.networks.encoders import ENCODER_TYPES, LFSR_STEPS, LFSR_TAPS, Encoder, Events, encode, lfsr_draw

ON_CHIP = [k for k in ENCODER_TYPES if k != "external"]
VALUES = np.array([0, 1, 17, 100, 128, 200, 254, 255, 60, 33, 5], np.uint8)


def plain(encoder, values, window):
    """The encoders in plain Python: (tick, address)."""
    lanes, full = encoder.lanes, 1 << encoder.rate_bits
    lfsr = [int(s) for s in encoder.lane_seeds()]

    def draw(lane):
        for _ in range(LFSR_STEPS):
            lfsr[lane] = (lfsr[lane] >> 1) ^ (LFSR_TAPS if lfsr[lane] & 1 else 0)
        return lfsr[lane] % full

    words = -(-len(values) // lanes)
    padded = [*values.tolist(), *[0] * (words * lanes - len(values))]
    phase = [draw(i % lanes) if encoder.kind == "jittered" else 0 for i in range(len(padded))]
    found = []
    for tick in range(window):
        for i, v in enumerate(padded):
            if encoder.kind == "bernoulli":
                spikes = draw(i % lanes) < v
            elif encoder.kind == "burst":
                spikes = v > 0 and tick == ((255 - v) * window) // 256
            else:
                spikes = phase[i] + v >= full
                phase[i] = (phase[i] + v) % full
            if spikes:
                found.append((tick, i))
    return found


@pytest.mark.parametrize("kind", ON_CHIP)
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_kernels_equal_plain_python(kind, lanes):
    encoder = Encoder(kind=kind, rate_bits=9, lanes=lanes, seed=5)
    events = encode(encoder, VALUES, 150)
    assert list(zip(events.ticks.tolist(), events.addresses.tolist(), strict=True)) == plain(encoder, VALUES, 150)
    assert not events.negative.any()


@pytest.mark.parametrize("kind", ["jittered", "periodic"])
def test_rate_is_linear(kind):
    window = 4096
    events = encode(Encoder(kind=kind, rate_bits=12), VALUES, window)
    counts = np.bincount(events.addresses, minlength=len(VALUES))
    assert (np.abs(counts - VALUES.astype(int)) <= 1).all()


def test_bernoulli_has_the_rate_on_average():
    events = encode(Encoder(kind="bernoulli", rate_bits=8), np.full(64, 64, np.uint8), 4000)
    assert len(events.ticks) / (64 * 4000) == pytest.approx(0.25, abs=0.004)


def test_burst_is_one_spike_the_brighter_the_sooner():
    events = encode(Encoder(kind="burst"), VALUES, 256)
    assert sorted(events.addresses.tolist()) == list(range(1, len(VALUES)))
    assert (np.diff(VALUES[events.addresses].astype(int)) <= 0).all()


def test_seed_changes_the_phases():
    one, two = (encode(Encoder(seed=s), VALUES, 200) for s in (1, 2))
    assert one.ticks.tolist() != two.ticks.tolist()


def test_lfsr_leap_is_the_draw():
    state = 0x1234ABCD
    after = int(lfsr_draw(np.uint32(state)))
    assert [sum(state >> b & 1 for b in mask) & 1 for mask in lfsr_leap()] == [after >> j & 1 for j in range(32)]


def test_lfsr_has_the_longest_period():
    """x generates all of GF(2)[x] modulo the polynomial: x**(2**32 - 1) is 1, and no smaller divisor's power is."""

    def product(a, b):
        found = 0
        while b:
            found ^= a if b & 1 else 0
            a = (a << 1) ^ (polynomial if a >> 31 & 1 else 0)
            b >>= 1
        return found

    def power(n):
        found, base = 1, 2
        while n:
            found = product(found, base) if n & 1 else found
            base = product(base, base)
            n >>= 1
        return found

    # Shifted right, bit 31 - k of the taps is the coefficient of x**k of the reciprocal polynomial.
    polynomial = 1 << 32 | LFSR_TAPS << 1 | 1
    order = 2**32 - 1
    assert power(order) == 1
    assert all(power(order // p) != 1 for p in (3, 5, 17, 257, 65537))


@pytest.mark.parametrize("kind", ON_CHIP)
def test_run_is_encode_then_run_events(kind):
    network = zoo.load("mnist-spirit")
    network = replace(network, encoder=replace(network.encoder, kind=kind), decision=replace(network.decision, window=200))
    images, _ = load_mnist()
    readout = spiking_golden.run(network, images[:4], with_spikes=True, with_log=True)
    for k, values in enumerate(network.inputs(images[:4])):
        plain_run = ReferenceRun(network, encode(network.encoder, values, 200))
        assert readout.counts[k].tolist() == plain_run.counts
        assert readout.used[k].tolist() == plain_run.used
        assert (readout.spikes.image == k).sum() == len(plain_run.spikes)
    inputs = np.concatenate([encode(network.encoder, v, 200).addresses[: readout.used[k, 0]]
                             for k, v in enumerate(network.inputs(images[:4]))])
    assert (readout.log[:, 2] == inputs).all()


def test_words_and_order():
    events = Events.make([3, 1, 40], [5, 2, 7], [True, False, True])
    assert events.ticks.tolist() == [3, 3, 40]
    assert events.words().tolist() == [3 << 17 | 1 << 16 | 5, 3 << 17 | 2, 40 << 17 | 1 << 16 | 7]


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Encoder(rate_bits=7), "encoder: rate_bits must be an integer in [8, 16], not 7"),
    (lambda: Encoder(kind="poisson"), "encoder: kind must be one of jittered, periodic, bernoulli, burst, external, not 'poisson'"),
    (lambda: Encoder(kind=[]), "encoder: kind must be one of jittered, periodic, bernoulli, burst, external, not []"),
    (lambda: encode(Encoder(kind="external"), VALUES, 5), "encoder: kind must not be external to encode an image: give events"),
    (lambda: Events.make([-1], [0]), "events: ticks must be 0 or more, not -1"),
    (lambda: Events.make([1, 2], [0]), "events: ticks, addresses and signs must be as many, not 2, 1, 1"),
])  # fmt: skip
def test_bad_input(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message
