"""Currents of a crossbar whose wires have resistance: nodal analysis with sparse matrices.

Inputs drive the rows at their left ends; columns are read at their bottom ends, held at 0 V. Each cell connects
its row's node with its column's; between two neighbouring nodes of a wire, and between the driver or the reader and
the nearest node, is one resistance. All in units of one conductance and one voltage.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from oxnor.models.base.errors import InputError

#: Gives the current of each cell and its derivative, of the voltage across each: arrays of shape (rows, columns).
Cells = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]

_STEPS_MAX = 50


def _check(wire: float) -> None:
    if not 0 < wire < np.inf:
        raise InputError(f"must be above 0 and finite, not {wire:g}", parameter="wire")


def _wires(rows: int, columns: int, wire: float) -> tuple[sparse.csc_matrix, NDArray[np.int64], NDArray[np.int64]]:
    """Return the conductance matrix of the wires, and the node of each (row, column) on a row and on a column."""
    row_node = np.arange(rows * columns).reshape(rows, columns)
    column_node = rows * columns + row_node
    pairs = [
        (row_node[:, :-1].ravel(), row_node[:, 1:].ravel()),
        (column_node[:-1].ravel(), column_node[1:].ravel()),
    ]
    a, b = (np.concatenate(p) for p in zip(*pairs, strict=True))
    ends = np.concatenate([row_node[:, 0], column_node[-1]])  # driver, and reader
    i, j = np.concatenate([a, b, a, b, ends]), np.concatenate([b, a, a, b, ends])
    g = np.concatenate([-np.ones(2 * len(a)), np.ones(2 * len(a)), np.ones(len(ends))]) / wire
    n = 2 * rows * columns
    return sparse.csc_matrix((g, (i, j)), shape=(n, n)), row_node, column_node


def _with_cells(
    wires: sparse.csc_matrix, cells: NDArray[np.float64], row_node: NDArray[np.int64], column_node: NDArray[np.int64]
) -> sparse.csc_matrix:
    r, c, g = row_node.ravel(), column_node.ravel(), cells.ravel()
    i, j = np.concatenate([r, c, r, c]), np.concatenate([r, c, c, r])
    return (wires + sparse.csc_matrix((np.concatenate([g, g, -g, -g]), (i, j)), shape=wires.shape)).tocsc()


def effective(conductances: NDArray[np.floating], wire: float) -> NDArray[np.float64]:
    """Return the matrix E of an array of linear cells: a column's current is the sum over rows of E V.

    One factorisation and one solve for each column give it, for any inputs.

    Parameters
    ----------
    conductances : ndarray of float, shape (rows, columns)
    wire : float
        Resistance between two cells, in the inverse unit; above 0. As a share of the smallest cell resistance, 1e-5 to
        1e-4 cost little and 1e-3 much.

    Returns
    -------
    ndarray of float, shape (rows, columns)
    """
    _check(wire)
    cells = np.asarray(conductances, np.float64)
    rows, columns = cells.shape
    wires, row_node, column_node = _wires(rows, columns, wire)
    factored = splu(_with_cells(wires, cells, row_node, column_node))
    # The matrix is symmetric: the voltage at a reader's node for a unit current at a driver's node is that the other
    # way round, so that one solve a column serves all rows.
    ends = np.zeros((wires.shape[0], columns))
    ends[column_node[-1], np.arange(columns)] = 1 / wire
    return factored.solve(ends)[row_node[:, 0]] / wire


def currents(cells: Cells, volts: NDArray[np.floating], columns: int, wire: float = 0.0) -> NDArray[np.float64]:
    """Return the currents of the columns, shape (columns,), of cells that need not be linear, by Newton's method.

    Parameters
    ----------
    cells : callable
        Currents and their derivatives, of voltages of shape (rows, columns).
    volts : ndarray of float, shape (rows,)
        At the drivers.
    columns : int
    wire : float
        As for :func:`effective`; 0 for ideal wires.

    Raises
    ------
    InputError
        If it does not converge.
    """
    v_in = np.asarray(volts, np.float64)
    across = np.repeat(v_in[:, None], columns, axis=1)
    if wire == 0:
        return cells(across)[0].sum(axis=0)
    _check(wire)
    rows = len(v_in)
    wires, row_node, column_node = _wires(rows, columns, wire)
    drive = np.zeros(wires.shape[0])
    drive[row_node[:, 0]] = v_in / wire
    v = np.concatenate([across.ravel(), np.zeros(rows * columns)])
    scale = max(float(np.abs(v_in).max(initial=0.0)), np.finfo(float).tiny)
    for _ in range(_STEPS_MAX):
        current, slope = cells((v[: rows * columns] - v[rows * columns :]).reshape(rows, columns))
        residual = wires @ v - drive + np.concatenate([current.ravel(), -current.ravel()])
        step = splu(_with_cells(wires, slope, row_node, column_node)).solve(residual)
        v -= step
        if np.abs(step).max() <= 1e-12 * scale:
            return v[column_node[-1]] / wire
    raise InputError("must be smaller: the currents do not converge", parameter="wire")
