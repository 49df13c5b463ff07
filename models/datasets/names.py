"""Names of the known data sets; loads nothing."""

#: In the order of :data:`oxnor.models.datasets.known.KNOWN_SETS`.
KNOWN_NAMES = ("mnist", "fashion-mnist", "digits", "cifar10", "vowels", "hillenbrand", "spoken-digits")
SPLITS = ("test", "train")
