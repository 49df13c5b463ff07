"""Converters that learn: ENOB, DNL and INL before and after, other teachers, the DAC, and use beside a network."""

import numpy as np
import pytest

from oxnor.models import load
from oxnor.models.analog.binarized import AnalogNetwork, ArrayOptions
from oxnor.models.analog.trainable import (
    LevelAdc,
    TrainableAdc,
    TrainableDac,
    TrainedAdc,
    lloyd_max,
    logarithmic_teacher,
    quality,
    threshold_teacher,
    uniform_teacher,
)
from oxnor.models.base.errors import InputError
from oxnor.models.datasets.mnist import load_mnist
from oxnor.sim.studies.converter_curves import learning, learning_plot


def test_an_ideal_converter_is_ideal():
    for bits in (1, 4, 6):
        adc, v = TrainableAdc.ideal(bits), np.arange(0, 1, 1 / 512)
        assert (adc.codes(v[:, None])[:, 0] == uniform_teacher(bits)(v)).all()
    measured = quality(TrainableAdc.ideal(4))
    assert measured.enob == pytest.approx(3.96, abs=0.01)
    assert measured.dnl == measured.inl == 0


def test_four_bits_of_half_mismatch_are_learnt_by_every_one_of_ten():
    g = np.random.default_rng(0)
    adc = TrainableAdc.draw(4, 0.5, g, 10)
    before = quality(adc)
    assert (before.enob < 3).all()
    assert (before.dnl > 0.5).all()
    adc.train(g.random(10_000), uniform_teacher(4), g)
    after = quality(adc)
    assert (after.enob >= 3.8).all()
    assert (after.dnl < 0.5).all()
    assert (after.inl < 0.5).all()


def test_a_dac_is_learnt():
    g = np.random.default_rng(1)
    dac, codes = TrainableDac.draw(4, 0.5, g, 5), np.arange(16)
    before = np.abs(dac.convert(codes) - codes[:, None] / 16).max()
    dac.train(g.integers(0, 16, 2000), g)
    assert np.abs(dac.convert(codes) - codes[:, None] / 16).max() < 0.1 / 16 < before


def test_a_logarithmic_teacher_is_approached_and_not_reached():
    g, v = np.random.default_rng(2), np.linspace(0, 0.999, 2000)
    adc, teacher = TrainableAdc.draw(3, 0.5, g), logarithmic_teacher(3)
    before = np.abs(adc.codes(v[:, None])[:, 0] - teacher(v)).mean()
    adc.train(g.random(6000), teacher, g)
    after = np.abs(adc.codes(v[:, None])[:, 0] - teacher(v)).mean()
    assert 0 < after < 0.6 * before


def test_lloyd_max_has_the_known_thresholds_of_a_normal_distribution():
    values = np.random.default_rng(0).standard_normal(200_000)
    thresholds, levels = lloyd_max(values, 2)
    assert thresholds == pytest.approx([-0.9816, 0, 0.9816], abs=0.02)
    assert levels == pytest.approx([-1.510, -0.4528, 0.4528, 1.510], abs=0.02)
    adc = LevelAdc(thresholds, levels)
    assert (adc.convert(values)[:100] == levels[threshold_teacher(thresholds)(values[:100])]).all()


def test_a_trained_converter_is_near_lloyd_max():
    g = np.random.default_rng(3)
    values = g.standard_normal(20_000)
    best = np.mean((LevelAdc.lloyd_max(values, 3).convert(values) - values) ** 2)
    untrained = TrainedAdc.train(values, 3, 0.5, np.random.default_rng(5), samples=1)
    trained = TrainedAdc.train(values, 3, 0.5, np.random.default_rng(5), samples=6000)
    error = [np.mean((adc.convert(values) - values) ** 2) for adc in (untrained, trained)]
    assert best < error[1] < 2 * best < error[0]
    assert (trained.codes(values[:50]) == trained.adc.codes((values[:50, None] - trained.low) / (trained.high - trained.low))[:, 0]).all()  # fmt: skip
    with pytest.raises(InputError, match="values must hold values that differ"):
        TrainedAdc.train(np.ones(9), 3, 0.5, g)


def test_a_network_takes_one():
    images, labels = load_mnist("test")
    training, images, labels = images[5000:5300], images[:500], labels[:500]
    accuracy = {
        kind: np.mean(
            AnalogNetwork(load("mnist-tfc"), ArrayOptions(adc_bits=3, adc_range=kind), training=training).predict(images) == labels
        )
        for kind in ("max", "lloyd-max", "trained")
    }
    assert accuracy["trained"] > accuracy["max"] + 0.3
    assert accuracy["lloyd-max"] > accuracy["max"] + 0.5


def test_curves_of_learning():
    result = learning(converters=2, samples=(0, 200, 2000), seed=1)
    assert result.enob.shape == (3, 2)
    assert (result.enob[0] < 3).all()
    assert (result.enob[2] > 3.5).all()
    assert quality(result.before).enob == pytest.approx(result.enob[0])
    assert "effective bits" in learning_plot(result).svg()
