"""Survivors that are known: mutants that no test finds, for a reason that is written down."""

from __future__ import annotations

import re

#: By unit: (pattern of the mutant, why nothing finds it).
REASONS: dict[str, tuple[tuple[str, str], ...]] = {
    "golden-model": (
        (r"planes == 1: 1 -> 0$", "a shortcut: what follows gives the same for one plane"),
        (r"max\(1, len\(images\)\): 1 -> 2$", "a step beyond the last image"),
        (r"parts\[0\]: 0 -> -1$", "of one part, the first is the last"),
        (r"len\(parts\) == 1: 1 -> 0$", "one part, joined, is itself"),
    ),
    "golden-spiking": (
        (r"_BLOCKS = 64: 64 -> \d+$", "how many images run at once changes none"),
    ),
    "folding": (
        (r"outputs\[0\]: 0 -> -1$", "of one output, the first is the last"),
        (r"((_CHUNK = 512: 512|1 << 2[23]: \d+) -> \d+|rounding\.py:\d+: 1 << 22 -> 1 >> 22)$",
         "how many rows or images are computed at once changes none"),
        (r"ops\.py:\d+: x\[0\] >= 0 -> x\[0\] > 0$", "nothing times a slope is nothing"),
        (r"maps\[0\]: 0 -> -?1$", "all pixels of a channel are the same by then, or are compared with any"),
        (r"weights\.ndim > 2 -> weights\.ndim >= 2$", "a matrix has no dimensions to drop"),
        (r"scores\.py:\d+: slope < 0 -> slope <= 0$", "a score that never changes ends where it starts"),
        (r"y\[:, 0\]: 0 -> -1$", "of one output, the first is the last"),
        (r"columns\[:, 0\]: 0 -> -?1$", "all pixels of a channel have the same values by then"),
        (r"(left\.ndim < 3|right\.ndim != 2): \d -> \d$", "both ways give the product"),
        (r"rounding\.py:\d+: (_CHUNK // |max\(1, |value\.size // rows).* -> (\d|min|_CHUNK \*|value\.size \*)[^:]*$",
         "how many rows are compared at once changes none"),
        (r"\.step\[0\]: 0 -> -1$", "all steps are the same by then, or are compared with any"),
        (r"2\.0 \*\* 53: 53 -> 54$", "twice a number has the same odd part"),
        (r"shapes\.py:\d+: \[0\]: 0 -> -?1$", "an index is the same in all rows"),
        (r"k < t\.axis -> k <= t\.axis$", "the axis of the images is not removed"),
        (r"rounding\.py:\d+: axis == 0: 0 -> -1$", "how many rows are compared at once changes none"),
        (r"tables\[0\]: 0 -> -1$", "all tables have one shape by then"),
        (r"_BITS_MAX \+ 1: 1 -> 2$", "the powers are two bits apart"),
        (r"levels\.py:\d+: value\[:, 0\]: 0 -> -1$", "any element may tell first that there are too many values"),
        (r"values\.pop\(name, None\) -> pass$", "what nothing reads any more only takes room"),
        (r"(shape\[channel_axis\(.* = -1|walk\.py:\d+: \[-1\]): 1 -> 2$", "any number below 0 is what is left"),
        (r"walk\.py:\d+: Stage\(f'input .*, 0, 0\): 0 -> -?1$",
         "of what is not known only whether it has more than one output is asked"),
        (r"0 < shortcut <= SHORTCUT_MAX: 0 -> -1$", "of no shortcut the weights take as many synapses as they are"),
        (r"weights\[own, .*\] > 0: 0 -> -1$", "a shortcut: of weights that are all 0 or less none is found either"),
        (r"products\.py:\d+: n < 2 or not .* -> n < 2 and ",
         "a shortcut: of one weight, or of none above 0 in the centre, none is found either"),
        (r"scores\.py:\d+: wide\[:, 0\]: 0 -> -1$", "all classes have the same curve by then, or it is not asked"),
        (r"ops\.py:\d+: axis < 0: 0 -> -1$", "a slice counts from the end too"),
        (r"unknown\.py:72: 0 -> 1$", "0 bits of a sign are taken as 1, and of nothing else are any asked"),
        (r"if isinstance\(v, Unknown\)\), 0\): 0 -> -1$", "any number below 1 is none"),
        (r"v\.value\[:1\]: 1 -> 2$", "all rows have the one value of the padding"),
        (r"any\(\(part\.ndim <= axis for part in parts\)\) -> all", "all parts have as many dimensions"),
    ),
    "programming": (
        (r"sv:179\$\d+ port=Y portbit=26 ctrlbit=3 ", "every row uses bit 3 of its last word"),
        (r"procmux\$1244 port=B portbit=49 ctrlbit=92$", "no row has 4,096 words"),
        (r"procmux\$558 port=A ", "what a command asked for is replaced as the next one starts"),
        (r"procmux\$166 port=A portbit=15$", "so many failures take longer than all tests of the unit alone"),
    ),
    "programming-ternary": (
        (r"sv:146\$133 port=A portbit=14$", "no row has 16,384 words"),
        (r"procmux\$554 port=A ", "attempts are counted anew as a command starts"),
        (r"mode=const0 cell=\$flatten.sequence_\.\$procmux\$708 port=Y ", "a row is verified with inputs of 1 first"),
        (r"procmux\$844 port=B ", "every operation on a pair begins with its first device"),
    ),
    "fault-maps": (
        (r"g\.random\(.*\) < (0\.5|ones) -> .* <= ", "a drawn number is the very bound once in 2**53"),
        (r"weights\[\.\.\., 0\]: 0 -> -1$", "the first and the last synapses of weights are equally many"),
        (r"values [-+] 2: 2 -> [13]$", "the code of a value between two is that of the lower"),
        (r"parts\[0\]: 0 -> -1$", "of one part, the first is the last"),
    ),
    "rbm-learner": (
        (r"cell=\$procmux\$455 port=S portbit=2$",
         "a second choice is on, and a simulator takes the first: the right one"),
    ),
    "rbm": (
        (r"^mode=const0 .*(wire=bus__word wirebit|sv:101\$\d+ port=B portbit)=[1-9]",
         "rows of 4 bits have one word, number 0: of its 16 bits all but the lowest are always 0"),
        (r"^mode=const0 .*(wire=bus__word wirebit|sv:101\$\d+ port=B portbit)=0$",
         "the word is 1 after the last one alone, where no row is read or written"),
        (r"sv:101\$\d+ port=A ", "a pulse is of no word"),
        (r"^mode=const0 cell=\$flatten.writer\.\$procmux\$1261 port=S ",
         "a pulse takes one cycle here, so it is over with its reset; the writer alone is reset amid longer ones"),
    ),
}


def reason(unit: str, mutant: str) -> str:
    """Return why a mutant of a unit may survive; "" if there is no reason."""
    return next((why for pattern, why in REASONS.get(unit, ()) if re.search(pattern, mutant)), "")
