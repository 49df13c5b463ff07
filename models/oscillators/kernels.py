"""Time stepping of driven, coupled oscillators: numba kernels, samples in threads.

Phases are relative to a frame that turns at a reference frequency, so that steps follow differences of frequencies, not
the frequencies. The fourth-order Runge-Kutta step
is deterministic; noise is added after it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

#: Samples that are stepped side by side, in the lanes of the processor.
_LANES = 32


@numba.njit(nogil=True, cache=True, boundscheck=False, inline="always")
def _turn(angle, c, s):
    """Write cos and sin of angles, to 1e-9, by Taylor's series of the half angle: plain arithmetic runs in lanes."""
    for i in range(angle.shape[0]):
        h = 0.5 * (angle[i] - 2 * math.pi * math.floor(angle[i] * (0.5 / math.pi) + 0.5))
        x = h * h
        sine = 1 - x / 6 * (1 - x / 20 * (1 - x / 42 * (1 - x / 72 * (1 - x / 110 * (1 - x / 156 * (1 - x / 210))))))
        cosine = 1 - x / 2 * (1 - x / 12 * (1 - x / 30 * (1 - x / 56 * (1 - x / 90 * (1 - x / 132 * (1 - x / 182))))))
        sine *= h
        s[i] = 2 * sine * cosine
        c[i] = 1 - 2 * sine * sine


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _pull(c_other, s_other, c, s, cos_a, sin_a, strength, out):
    """Add strength sin(other - own + a) to the slopes."""
    for i in range(out.shape[0]):
        sine = s_other[i] * c[i] - c_other[i] * s[i]
        cosine = c_other[i] * c[i] + s_other[i] * s[i]
        out[i] += strength * (sine * cos_a + cosine * sin_a)


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _phase_block(theta, drives, w, delta, alpha, kappa, beta, dt, before, during, noise, start):
    n, lanes, m = theta.shape[0], theta.shape[1], drives.shape[0]
    c, s, at = np.empty((n, lanes)), np.empty((n, lanes)), np.empty((n, lanes))
    slopes, total, angle = np.zeros((n, lanes)), np.empty((n, lanes)), np.empty(lanes)
    c_drive, s_drive = np.empty((m, lanes)), np.empty((m, lanes))
    cos_a, sin_a, cos_b, sin_b = np.cos(alpha), np.sin(alpha), np.cos(beta), np.sin(beta)
    for step in range(before + during):
        if step == before:
            start[:] = theta
        for stage in range(4):
            ahead = 0.0 if stage == 0 else (1.0 if stage == 3 else 0.5)
            weight = 1.0 if stage in (0, 3) else 2.0
            if stage in (0, 1, 3):
                for k in range(m):
                    for i in range(lanes):
                        angle[i] = drives[k, i] * ((step + ahead) * dt)
                    _turn(angle, c_drive[k], s_drive[k])
            for j in range(n):
                for i in range(lanes):
                    at[j, i] = theta[j, i] + ahead * dt * slopes[j, i]
                _turn(at[j], c[j], s[j])
            for j in range(n):
                slopes[j, :] = w[j]
                for k in range(m):
                    _pull(c_drive[k], s_drive[k], c[j], s[j], cos_a[j], sin_a[j], delta[j], slopes[j])
                for k in range(n):
                    if k != j and kappa[j, k] != 0:
                        _pull(c[k], s[k], c[j], s[j], cos_b[j], sin_b[j], kappa[j, k], slopes[j])
                for i in range(lanes):
                    total[j, i] = weight * slopes[j, i] + (total[j, i] if stage else 0.0)
        for j in range(n):
            for i in range(lanes):
                theta[j, i] += dt / 6 * total[j, i]
        if noise.shape[0]:
            for j in range(n):
                for i in range(lanes):
                    theta[j, i] += noise[step, j, i]


@numba.njit(parallel=True, cache=True, boundscheck=False)
def phase_run(theta, drives, w, delta, alpha, kappa, beta, dt, before, during, noise, start):
    """Step the reduced model of samples, the last axis of the arrays.

    Parameters
    ----------
    theta : ndarray of float64, shape (oscillators, n)
        Phases at the start, overwritten by those at the end.
    drives : ndarray of float64, shape (drives, n)
        Frequencies of the drives of each sample, rad/us in the turning frame.
    w, delta, alpha, beta : ndarray of float64, shape (oscillators,)
        Free frequency in the frame, half lock range (rad/us), phase of the pull of a drive and of a neighbour.
    kappa : ndarray of float64, shape (oscillators, oscillators)
        Pull of each neighbour, rad/us.
    dt : float
        Step, us.
    before, during : int
        Steps before the window, and in it.
    noise : ndarray of float64, shape (before + during, oscillators, n), or no steps: none
        Added to the phases after each step.
    start : ndarray of float64, shape (oscillators, n)
        Written: the phases at the start of the window.
    """
    n = theta.shape[1]
    for block in numba.prange((n + _LANES - 1) // _LANES):
        a, b = block * _LANES, min((block + 1) * _LANES, n)
        own, first = theta[:, a:b].copy(), np.empty((theta.shape[0], b - a))
        _phase_block(
            own, drives[:, a:b].copy(), w, delta, alpha, kappa, beta, dt, before, during, noise[:, :, a:b].copy(), first
        )
        theta[:, a:b], start[:, a:b] = own, first


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _full_slopes(c, force, w, n_shift, gamma, q, zeta, drive, k_pull, k_turn, out):
    n = c.shape[0]
    for i in range(n):
        p = c[i].real ** 2 + c[i].imag ** 2
        growth = gamma * (zeta[i] * (1 - p) - (1 + q * p))
        value = complex(growth, -(w[i] + n_shift * p)) * c[i] + drive[i] * force
        for j in range(n):
            if j != i:
                value += k_pull[i, j] * k_turn * c[j]
        out[i] = value


@numba.njit(nogil=True, cache=True, boundscheck=False)
def _full_sample(c, drives, w, zeta, drive, k_pull, constants, dt, before, during, noise, gained):
    n_shift, gamma, q, turn = constants
    n, m = c.shape[0], drives.shape[0]
    at, slopes, total = np.empty(n, np.complex128), np.empty(n, np.complex128), np.empty(n, np.complex128)
    k_turn = complex(math.cos(turn), math.sin(turn))
    gained[:] = 0.0
    for step in range(before + during):
        total[:] = 0.0
        for stage in range(4):
            ahead = 0.0 if stage == 0 else (1.0 if stage == 3 else 0.5)
            for i in range(n):
                at[i] = c[i] + (ahead * dt * slopes[i] if stage else 0.0)
            force = complex(0.0, 0.0)
            for k in range(m):
                angle = drives[k] * (step + ahead) * dt
                force += complex(math.cos(angle), -math.sin(angle))
            _full_slopes(at, force, w, n_shift, gamma, q, zeta, drive, k_pull, k_turn, slopes)
            weight = 1.0 if stage in (0, 3) else 2.0
            for i in range(n):
                total[i] += weight * slopes[i]
        for i in range(n):
            new = c[i] + dt / 6 * total[i]
            if noise.shape[0]:
                new += noise[step, i]
            if step >= before:
                # c turns as exp(-j theta); steps are far below half a turn
                moved = c[i] * new.conjugate()
                gained[i] += math.atan2(moved.imag, moved.real)
            c[i] = new


@numba.njit(parallel=True, cache=True, boundscheck=False)
def full_run(c, drives, w, zeta, drive, k_pull, constants, dt, before, during, noise, gained):
    """Step the complex model of samples.

    Parameters
    ----------
    c : ndarray of complex128, shape (n, oscillators)
        Amplitudes at the start, overwritten by those at the end.
    drives : ndarray of float64, shape (n, drives)
    w, zeta, drive : ndarray of float64, shape (oscillators,)
        omega0 in the frame, rad/us; current over its threshold; F, 1/us.
    k_pull : ndarray of float64, shape (oscillators, oscillators)
        K, 1/us.
    constants : tuple of float
        N in rad/us, Gamma, Q, phase of K.
    dt, before, during
        As for :func:`phase_run`.
    noise : ndarray of complex128, shape (n, before + during, oscillators), or (1, 0, oscillators)
    gained : ndarray of float64, shape (n, oscillators)
        Written: the phase gained in the window, in the frame.
    """
    for i in numba.prange(c.shape[0]):
        own = noise[i] if noise.shape[1] else noise[0]
        _full_sample(
            c[i], drives[i], w, zeta, drive, k_pull, constants, dt, before, during, own, gained[i]
        )


@numba.njit(nogil=True, cache=True, boundscheck=False)
def lock_map(inputs, f, half, out):
    """Write the pattern of each sample if nothing couples: base 3, the first oscillator first; 0 free, 1 A, 2 B.

    An oscillator locks to the nearer of two drives if it is within half its range; `inputs` has shape (n, 2).
    """
    for i in range(inputs.shape[0]):
        code = 0
        for k in range(f.shape[0]):
            a, b = abs(inputs[i, 0] - f[k]), abs(inputs[i, 1] - f[k])
            state = 0
            if min(a, b) < half[k]:
                state = 1 if a <= b else 2
            code = 3 * code + state
        out[i] = code


@numba.njit(nogil=True, cache=True, boundscheck=False)
def majority(points, labels, members, counts, codes, scores):
    """Write for each of a population the share of points whose class is the most frequent one of their pattern.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
    labels : ndarray of int64, shape (n,)
    members : ndarray of float64, shape (m, 1 + 2 k)
        Angle of a rotation, then frequencies, then half ranges, all in the units of the points.
    counts : ndarray of int64, shape (3**k, classes)
    codes : ndarray of int64, shape (n,)
        Scratch, as `counts`.
    scores : ndarray of float64, shape (m,)
    """
    k = (members.shape[1] - 1) // 2
    turned = np.empty_like(points)
    for j in range(members.shape[0]):
        c, s = math.cos(members[j, 0]), math.sin(members[j, 0])
        for i in range(points.shape[0]):
            turned[i, 0] = c * points[i, 0] - s * points[i, 1]
            turned[i, 1] = s * points[i, 0] + c * points[i, 1]
        lock_map(turned, members[j, 1 : 1 + k], members[j, 1 + k :], codes)
        counts[:] = 0
        for i in range(points.shape[0]):
            counts[codes[i], labels[i]] += 1
        right = 0
        for row in range(counts.shape[0]):
            right += counts[row].max()
        scores[j] = right / points.shape[0]


@numba.njit(nogil=True, cache=True, boundscheck=False)
def reservoir_run(zeta, steps, q, gamma_t, start, out):
    """Write the amplitude sqrt(p) of one oscillator after each of the virtual nodes of a sequence.

    Parameters
    ----------
    zeta : ndarray of float64, shape (n,)
        Current over its threshold at each node, held for `gamma_t` (in 1/Gamma).
    steps : int
        Points inside each node, for pictures; 1: its end alone.
    start : float
        Power before the first node.
    out : ndarray of float64, shape (n * steps,)
    """
    p, part = start, gamma_t / steps
    for i in range(zeta.shape[0]):
        a, b = zeta[i] - 1, zeta[i] + q
        x = 2 * a * part
        grown = 2 * part if abs(x) < 1e-12 else math.expm1(x) / a
        factor = math.exp(x)
        for k in range(steps):
            # An oscillator never stops: noise, which is not in the equation, starts it again.
            p = max(p * factor / (1 + p * b * grown), 1e-12)
            out[i * steps + k] = math.sqrt(p)
