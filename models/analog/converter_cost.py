"""Energy, time and area of converters: published models, as a band and never as one number.

The survey bound and the column-level SAR converter of NeuroSim differ by 5 to 20 times. Figures only; each source in
its function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from oxnor.models.base.errors import InputError

from .adc import check_bits

#: Of :func:`sar_energy`, by node in nm: (a, b) in uW and (d in W, e).
_SAR: Mapping[int, tuple[float, float, float, float]] = {
    130: (6.4806, 49.047, 0.207452, -2.367),
    65: (2.9503, 22.047, 0.128483, -2.321),
    45: (2.1843, 11.931, 0.097754, -2.296),
    32: (1.0157, 7.6286, 0.083709, -2.313),
    22: (0.7213, 3.3041, 0.084273, -2.311),
}
#: Nodes of :func:`sar_energy`, in nm.
NODES = tuple(_SAR)
#: Converter of ISAAC as others use it: 2.0 mW at 1.28 GS/s (PUMA simulator, MIT, include/constants.py).
ISAAC_CONVERSION_PJ = 2.0 / 1.28


def survey_energy(bits: int, nm: float, rate: float = 1e8) -> float:
    """Return the energy of a conversion in pJ: the envelope of a survey of converters, a pessimistic figure.

    Source: Accelergy's ADC plug-in (MIT), model.yaml: SNDR = 6.02 n + 1.76 dB and a Schreier figure of merit.

    Parameters
    ----------
    bits : int
    nm : float
        Technology node.
    rate : float
        Conversions a second.
    """
    n = check_bits(bits)
    merit = min(213.7807 - 2.87190 * math.log(rate), 128.3068 + 3.22052 * math.ceil(n))
    at_node = math.exp(26.0496 + 1.88004 * math.log(nm) - 2.82913 * math.log(n) - 1.47020)
    return 10 ** ((6.02 * n + 1.76 - merit) / 10) / 2 * at_node


def survey_area(bits: int, nm: float, rate: float = 1e8) -> float:
    """Return the area of a converter in um2; source and parameters of :func:`survey_energy`."""
    energy = survey_energy(bits, nm, rate)
    return math.exp(1.3462 + 0.99328 * math.log(nm) + 0.18072 * math.log(rate) + 0.29912 * math.log(energy))


def sar_energy(bits: int, nm: int, ohm: float = 1e4) -> float:
    """Return the energy of a conversion in pJ: a SAR converter at a column, without drivers, an optimistic figure.

    Source: NeuroSim V1.4, SarADC.cpp (numbers alone).

    Parameters
    ----------
    bits : int
    nm : int
        22, 32, 45, 65 or 130.
    ohm : float
        Resistance of the column.
    """
    if nm not in _SAR:
        raise InputError(f"must be one of {', '.join(map(str, sorted(_SAR)))} nm, not {nm}", parameter="nm")
    a, b, d, e = _SAR[nm]
    microwatts = a * check_bits(bits) + b + 1e6 * d * math.exp(e * math.log10(ohm))
    return microwatts * sar_seconds(bits) * 1e6


def sar_seconds(bits: int) -> float:
    """Return the time of a conversion of :func:`sar_energy` in seconds."""
    return (check_bits(bits) + 1) * 1e-9


def isaac_tops_per_watt(conversions_per_mac: float, operations_per_mac: int) -> float:
    """Return TOPS/W of ISAAC's converter alone; a MAC counts as one operation, or as two: say which."""
    return operations_per_mac / (conversions_per_mac * ISAAC_CONVERSION_PJ)
