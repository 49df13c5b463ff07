"""Event files: what they hold, and what is refused in one sentence."""

import numpy as np
import pytest

from oxnor.models.base.errors import InputError
from oxnor.models.datasets.events import read_events


def csv(tmp_path, *rows):
    path = tmp_path / "x.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def npz(tmp_path, **arrays):
    path = tmp_path / "x.npz"
    np.savez(path, **{name: np.array(values) for name, values in arrays.items()})
    return path


def test_csv_and_npz_say_the_same(tmp_path):
    """Columns in any order, signs, samples with labels; an NPZ file may have samples without events."""
    rows = ("label,tick,sample,sign,address", "2,0,0,1,5", "2,0,0,-1,1", "2,9,0,1,0", "0,4,1,-1,3")
    table = read_events(csv(tmp_path, *rows))
    assert (table.ticks.tolist(), table.addresses.tolist()) == ([0, 0, 9, 4], [5, 1, 0, 3])
    assert table.negative.tolist() == [False, True, False, True]
    assert (table.starts.tolist(), table.labels.tolist()) == ([0, 3, 4], [2, 0])
    same = read_events(npz(tmp_path, tick=[0, 0, 9, 4], address=[5, 1, 0, 3], sign=[1, -1, 1, -1], sample=[0, 0, 0, 2], label=[2, 1, 0, 1]))
    assert (same.starts.tolist(), same.labels.tolist()) == ([0, 3, 3, 4, 4], [2, 1, 0, 1])
    plain = read_events(csv(tmp_path, "tick,address", "3,0", "3,2"))
    assert (len(plain), plain.labels, plain.negative.any()) == (1, None, False)
    plain.check_fit(3, 4, 2, "network 'a'")


@pytest.mark.parametrize(("make", "message"), [
    (lambda p: csv(p, "1,2", "3,4"), "the first line must name the columns: tick, address, sign, sample, label"),
    (lambda p: csv(p, "tick,adress", "3,4"), "'adress' must not be there: an event file has tick, address, sign, sample, label (did you mean address?)"),
    (lambda p: csv(p, "tick,sign", "3,1"), "'address' must be there: an event file has tick, address, sign, sample, label, of which the first two are needed"),
    (lambda p: csv(p, "tick,address,tick", "3,1,3"), "'tick' must be there once, not 2 times"),
    (lambda p: csv(p, "tick,address", "3,1", "2,1"), "event 2: tick must not be below 3, that of the event ahead of it, not 2"),
    (lambda p: csv(p, "tick,address", "3,1", "x,1"), "line 3, column 'tick', must be a number, not 'x'"),
    (lambda p: csv(p, "tick,address", "3.5,1"), "event 1: tick must be a whole number, not 3.5"),
    (lambda p: csv(p, "tick,address", "32768,1"), "event 1: tick must be in [0, 32767] (a word of the engine has 15 bits for it), not 32768"),
    (lambda p: csv(p, "tick,address", "0,-1"), "event 1: address must be in [0, 65534] (a word of the engine has 16 bits for it), not -1"),
    (lambda p: csv(p, "tick,address,sign", "0,1,0"), "event 1: sign must be 1 or -1, not 0"),
    (lambda p: csv(p, "tick,address,sample", "0,1,1", "0,1,0"), "event 2: sample must not fall, from 1 to 0"),
    (lambda p: csv(p, "tick,address,sample", "0,1,0", "0,1,2"), "event 2: sample 1 must have an event (in .npz, an array label says how many samples there are, and one may be empty)"),
    (lambda p: csv(p, "tick,address,label", "0,1,0", "0,1,2"), "event 2: label must be 0 as in the other rows of sample 0, not 2"),
    (lambda p: npz(p, tick=[0, 1], address=[3]), "address must have 2 values, one an event, not 1"),
    (lambda p: npz(p, tick=[0], address=[3], sample=[2], label=[0, 1]), "label must have a value for each of 3 samples, not 2"),
    (lambda p: npz(p, tick=[0.5], address=[3]), "array 'tick' must be"),
    (lambda p: npz(p, tick=np.zeros(0, int), address=np.zeros(0, int)), "must hold at least one event"),
])  # fmt: skip
def test_refused(make, message, tmp_path):
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        read_events(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_another_ending(tmp_path):
    with pytest.raises(InputError, match=r"x\.aedat: an event file must end in \.csv or \.npz$"):
        read_events(tmp_path / "x.aedat")


@pytest.mark.parametrize(("fit", "message"), [
    ((2, 9, 2), "event 1: address must be in [0, 1] (the 2 inputs of net count from 0), not 2"),
    ((3, 3, 2), "event 1: tick must be in [0, 2] (net has a window of 3 ticks), not 3"),
    ((3, 9, 1), "sample 0: label must be in [0, 0] (net has 1 classes), not 1"),
])  # fmt: skip
def test_events_that_a_network_does_not_have(fit, message, tmp_path):
    path = csv(tmp_path, "tick,address,label", "3,2,1")
    with pytest.raises(InputError) as caught:
        read_events(path).check_fit(*fit, "net")
    assert str(caught.value) == f"{path}: {message}"
