"""Bits in bytes, words and lines of hexadecimal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from oxnor.models.base.bits import hex_lines, integers, pack_bytes, pack_words, signed_integers, unpack_words, word_bits
from oxnor.models.base.trits import byte_digits, pack_trits, unpack_trits


def test_hex_lines_have_bit_0_rightmost():
    bits = np.zeros((2, 10), bool)
    bits[0, 0] = bits[1, 9] = True
    assert hex_lines(bits) == "001\n200\n"
    assert hex_lines(bits, 3) == "001\n200\n000\n"


@pytest.mark.parametrize("n", [1, 8, 31, 32, 33, 100])
@pytest.mark.parametrize("word", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_words_hold_bits_least_significant_first(n, word):
    bits = np.random.default_rng(n).random((3, n)) < 0.5
    words = pack_words(bits, word)
    assert words.dtype == word
    width = 8 * words.itemsize
    assert [sum(int(w) << width * k for k, w in enumerate(row)) for row in words] == integers(bits)
    assert integers(bits) == [sum(1 << i for i in np.flatnonzero(row).tolist()) for row in bits]
    np.testing.assert_array_equal(unpack_words(words, n), bits)


def test_integers_in_few_bits():
    values = np.array([-3, 0, 5, -128, 127])
    assert integers(word_bits(values, 8)) == [v & 0xFF for v in values.tolist()]
    assert integers(word_bits(np.array([[1, 2], [3, 0]]), 2)) == [9, 3]
    np.testing.assert_array_equal(signed_integers(pack_bytes(word_bits(values, 24))), values)


def test_every_five_trits_are_a_byte():
    digits = byte_digits()
    assert digits.max() == 2
    assert len(np.unique(digits, axis=0)) == 3**5
    assert digits[0].tolist() == [0] * 5  # where nothing is stored


@given(arrays.arrays(np.int8, st.tuples(st.integers(1, 3), st.integers(1, 23)), elements=st.integers(0, 2)))
def test_packed_trits_are_unpacked(digits):
    states = (digits[..., None] > [0, 1]).reshape(len(digits), -1)
    packed = pack_trits(states)
    assert packed.shape == (len(digits), 8 * -(-digits.shape[1] // 5))
    np.testing.assert_array_equal(unpack_trits(packed, digits.shape[1]), states)
