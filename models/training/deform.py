"""Random small deformations of images, in batches, repeatable from a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from oxnor.models.base.errors import InputError
from oxnor.models.base.torch_loading import import_torch

#: Height and width of MNIST's images.
MNIST_SHAPE = (28, 28)


def generator(*key: int, device: str = "cpu") -> Any:
    """Return a torch generator keyed by integers in [0, 2**31): each can be made again on its own."""
    torch = import_torch()
    import numpy as np

    state = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state) >> 1)


@dataclass(frozen=True)
class Deformation:
    """How far an image may be deformed; each draw is uniform in [-range, +range] unless said otherwise.

    Parameters
    ----------
    shift : float
        Pixels. Range [0, 14].
    rotation : float
        Degrees. Range [0, 90].
    scale : float
        Relative size, drawn for each axis. Range [0, 0.5].
    shear : float
        Tangent of the slant. Range [0, 1].
    elastic : float
        Pixels, standard deviation of a smooth displacement field (normal draws on a 6 x 6 grid, made smooth by
        bicubic interpolation), after Simard, Steinkraus and Platt, ICDAR 2003. Range [0, 4].
    crop : int
        Whole pixels, drawn for each axis, that the image is moved by without interpolation; what comes in is 0.
        Range [0, 14].
    flip : float
        Share of the images that are mirrored, left for right. Range [0, 1].
    """

    shift: float = 1.5
    rotation: float = 10.0
    scale: float = 0.10
    shear: float = 0.12
    elastic: float = 0.5
    crop: int = 0
    flip: float = 0.0

    def __post_init__(self) -> None:
        limits = {"shift": 14, "rotation": 90, "scale": 0.5, "shear": 1, "elastic": 4, "crop": 14, "flip": 1}
        for name, high in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise InputError(f"deformation: {name} must be in [0, {high}], not {value}")

    def __mul__(self, factor: float) -> Deformation:
        """Return a deformation `factor` times as strong; whole pixels and mirrors stay."""
        names = ("shift", "rotation", "scale", "shear", "elastic")
        return replace(self, **{name: factor * getattr(self, name) for name in names})

    def in_pixels(self, scale: float) -> Deformation:
        """Return the same deformation of images `scale` times as large: what is in pixels is scaled."""
        return replace(self, shift=self.shift * scale, elastic=self.elastic * scale, crop=round(self.crop * scale))

    @property
    def is_smooth(self) -> bool:
        """Whether images are interpolated."""
        return any((self.shift, self.rotation, self.scale, self.shear, self.elastic))


def deform(images: Any, how: Deformation, source: Any, shape: Sequence[int] = MNIST_SHAPE) -> Any:
    """Return deformed images.

    Parameters
    ----------
    images : torch tensor of uint8, shape (n, elements)
        On any device.
    how : Deformation
    source : torch.Generator
        Of the CPU: the draws are the same wherever the images are.
    shape : sequence of int
        Height and width, and channels if there are several, which are the fastest.

    Returns
    -------
    torch tensor of uint8, shape (n, elements)
    """
    if how.is_smooth:
        images = _smooth(images, how, source, shape)
    return _moved(images, how, source, shape) if how.crop or how.flip else images


def _moved(images: Any, how: Deformation, source: Any, shape: Sequence[int]) -> Any:
    """Return images that are moved by whole pixels and mirrored."""
    torch = import_torch()
    n, (height, width) = len(images), shape[:2]
    edge = how.crop
    padded = torch.nn.functional.pad(images.view(n, height, width, -1), (0, 0, edge, edge, edge, edge))
    y, x = torch.randint(0, 2 * edge + 1, (2, n, 1), generator=source)
    columns = torch.arange(width).expand(n, width)
    mirrored = torch.rand(n, 1, generator=source) < how.flip
    columns = torch.where(mirrored, width - 1 - columns, columns) + x
    rows = torch.arange(height) + y
    image, rows, columns = (t.to(images.device) for t in (torch.arange(n), rows, columns))
    return padded[image[:, None, None], rows[:, :, None], columns[:, None, :]].reshape(n, -1)


def _smooth(images: Any, how: Deformation, source: Any, shape: Sequence[int]) -> Any:
    torch = import_torch()
    n, (height, width) = len(images), shape[:2]

    def draw(*shape: int) -> Any:
        return torch.rand(n, *shape, generator=source) * 2 - 1

    angle = draw() * (how.rotation * torch.pi / 180)
    size_x, size_y = 1 + how.scale * draw(), 1 + how.scale * draw()
    slant = how.shear * draw()
    move = draw(2) * torch.tensor([2 * how.shift / width, 2 * how.shift / height])
    cos, sin = angle.cos(), angle.sin()
    top = [cos / size_x, (slant * cos - sin) / size_y, move[:, 0]]
    bottom = [sin / size_x, (slant * sin + cos) / size_y, move[:, 1]]
    matrix = torch.stack(top + bottom, dim=1).view(n, 2, 3)
    grid = torch.nn.functional.affine_grid(matrix, [n, 1, height, width], align_corners=False)
    if how.elastic:
        field = torch.randn(n, 2, 6, 6, generator=source) * (2 * how.elastic / width)
        field = torch.nn.functional.interpolate(field, size=(height, width), mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    grid = grid.to(images.device)
    values = images.view(n, height, width, -1).permute(0, 3, 1, 2).float()
    out = torch.nn.functional.grid_sample(values, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return out.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).reshape(n, -1)
