"""Payload of a request: stored as it comes, then read from its first word on."""

from __future__ import annotations

from amaranth.hdl import Module, Mux
from amaranth.lib.wiring import In, Out

from oxnor.hw.blocks.unit import Unit, place
from oxnor.hw.interface.link_protocol import WORD
from oxnor.hw.params.widths import bits_for

from .buffer import LinkBuffer


class PayloadBuffer(Unit):
    """The link's buffer with the place of the next word that is read.

    Results of a run take the place of its images: they are stored where words have been read already.

    Parameters
    ----------
    words : int
        Size.

    Members
    -------
    i_write, i_address, i_word : ``In``
        Words of the payload, from the receiver.
    count : ``In(bits_for(words))``
        Words of the payload.
    rewind : ``In(1)``
        The next word is the first one.
    advance : ``In(1)``
        Read the next word: ``word`` has it from the next cycle on.
    back : ``In(1)``
        The word that was read last is read again.
    store, store_address, store_word : ``In``
        Overwrite a word; ``word`` is lost. Not in a cycle with ``advance``.
    word : ``Out(16)``
    index : ``Out(bits_for(words))``
        Number of the next word.
    more : ``Out(1)``
        It is one of the payload. A register, as a long way depends on it; one cycle late after ``rewind``.
    """

    def __init__(self, words: int):
        self.words = words
        address, count = bits_for(words - 1), bits_for(words)
        ports = {
            "i_write": In(1), "i_address": In(address), "i_word": In(WORD),
            "count": In(count), "rewind": In(1), "advance": In(1), "back": In(1),
            "store": In(1), "store_address": In(address), "store_word": In(WORD),
            "word": Out(WORD), "index": Out(count), "more": Out(1),
        }  # fmt: skip
        super().__init__(ports)

    @property
    def module_name(self) -> str:  # noqa: D102
        return f"oxnor_link_payload_{self.words}"

    def elaborate(self, platform: object) -> Module:  # noqa: D102
        m = Module()
        buffer = LinkBuffer(self.words)
        place(m, platform, "buffer", buffer)
        m.d.comb += [
            buffer.read.eq(self.advance),
            buffer.write.eq(self.i_write | self.store),
            buffer.address.eq(Mux(self.store, self.store_address, Mux(self.i_write, self.i_address, self.index))),
            buffer.data.eq(Mux(self.store, self.store_word, self.i_word)),
            self.word.eq(buffer.q),
        ]
        m.d.sync += self.more.eq(self.index != self.count)
        with m.If(self.rewind):
            m.d.sync += self.index.eq(0)
        with m.Elif(self.advance):
            m.d.sync += [self.index.eq(self.index + 1), self.more.eq(self.index + 1 != self.count)]
        with m.Elif(self.back):
            m.d.sync += [self.index.eq(self.index - 1), self.more.eq(1)]
        return m
