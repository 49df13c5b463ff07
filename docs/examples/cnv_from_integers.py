"""Make a network of FINN's CNV shape from a file of its integers.

    python docs/examples/cnv_from_integers.py cifar10.npz -o cnv.npz

The file has arrays ``w0`` to ``w8`` (rows of packed bits, bit 1 is +1) and thresholds ``t0`` to ``t7``: six 3x3
convolutions of 64, 64, 128, 128, 256 and 256 channels over 32 x 32 pixels of 3 colours, with a 2x2 pooling after the
second and the fourth, and three dense layers. A neuron gives 1 iff its popcount reaches its threshold. The first layer
takes the eight bits of u = min(x + (x >= 128), 255) of a pixel x, FINN's rounding of x / 255; its popcounts count
2**k in bit plane k. The number of classes is that of the rows of ``w8``.
"""

import argparse
import sys

import numpy as np

from oxnor.models.base.errors import InputError
from oxnor.models.base.files import NpzReader
from oxnor.models.networks.binarized import Network
from oxnor.models.networks.input_rule import InputRule
from oxnor.models.networks.layers.conv import ConvLayer
from oxnor.models.networks.layers.dense import DenseLayer
from oxnor.models.networks.layers.scores import ScoreLayer
from oxnor.models.networks.layers.window import Pool, Window

#: Side of the feature map that comes, its channels, its bit planes, output channels, and whether pooling follows.
CONVOLUTIONS = [
    (32, 3, 8, 64, False),
    (30, 64, 1, 64, True),
    (14, 64, 1, 128, False),
    (12, 128, 1, 128, True),
    (5, 128, 1, 256, False),
    (3, 256, 1, 256, False),
]
DENSE = [(256, 512), (512, 512)]


def thresholds(source, k, most):
    """Return the thresholds of layer k; those that no popcount reaches, or every one, are clipped."""
    values = source.any_array(f"t{k}", ("<i8", "<i4", "<i2"), 1, 1 << 20)
    return np.clip(values.astype(np.int64), 0, most + 1)


def read(path, name, data_set=""):
    """Return the network in a file."""
    with NpzReader(path) as source:
        layers = []
        for k, (side, channels, planes, n_out, has_pool) in enumerate(CONVOLUTIONS):
            window = Window(side, side, channels, kernel_y=3, kernel_x=3)
            weights = source.bits(f"w{k}", n_out, window.n_in)
            pool = Pool(2, 2, 2, 2) if has_pool else None
            most = window.n_in * (2**planes - 1)
            layers.append(ConvLayer(weights, thresholds(source, k, most), window, pool, planes=planes))
        for k, (n_in, n_out) in enumerate(DENSE, len(CONVOLUTIONS)):
            layers.append(DenseLayer(source.bits(f"w{k}", n_out, n_in), thresholds(source, k, n_in)))
        classes = len(source.any_array("w8", ("|u1",), 2, 1 << 20))
        layers.append(ScoreLayer(source.bits("w8", classes, DENSE[-1][1])))
    values = np.arange(256)
    table = np.minimum(values + (values >= 128), 255).astype(np.uint8)
    return Network(name, tuple(layers), InputRule.planes(table), data_set=data_set)


def main():
    """Read the arguments, and write the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="arrays w0 to w8 and t0 to t7")
    parser.add_argument("-o", "--output", default="cnv.npz", help="network file (cnv.npz)")
    parser.add_argument("--name", default="cnv-w1a1", help="name of the network (cnv-w1a1)")
    parser.add_argument("--data-set", default="cifar10", help="set that it was trained on (cifar10)")
    args = parser.parse_args()
    try:
        network = read(args.file, args.name, args.data_set)
        network.save(args.output)
    except InputError as e:
        sys.exit(f"Error: {e}")
    print(f"{args.output}: {network}")


if __name__ == "__main__":
    main()
