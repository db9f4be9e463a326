"""Small-sample inference for a generalised linear model whose observations are correlated within clusters.

The sandwich estimator is too small where few clusters carry a coefficient. The bias-reduced one (CR2, Bell and
McCaffrey 2002; Pustejovsky and Tipton 2018) is unbiased if the model is right, and its degrees of freedom follow from
how the information is spread over the clusters. statsmodels has neither. Only the score and the information of each
cluster are needed: whitened so that the information sums to the identity, the leverage correction of a cluster with
information G is (I - G)^(-1/2).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

CERTAIN = 1e-6
"""If one cluster determines more than this share of a contrast, the contrast has no error estimate."""


class Contrasts(NamedTuple):
    """The value of each contrast, with 95 % interval, two-sided p that it is 0, and degrees of freedom.

    Low, high, p and freedom are NaN where too few clusters inform the contrast.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    freedom: np.ndarray


def contrasts(
    combinations: np.ndarray,
    coefficients: np.ndarray,
    scores: np.ndarray,
    information: np.ndarray,
    clusters: np.ndarray,
) -> Contrasts:
    """Linear combinations of the coefficients of a model at its maximum.

    Args:
        combinations: of shape (contrasts, coefficients).
        coefficients: the maximum likelihood estimates.
        scores: the derivative of each observation's log likelihood, of shape (observations, coefficients).
        information: the square root of each observation's information: rows x whose x x' are summed, of the same shape.
        clusters: a number for each observation.

    The mean of five clusters of one observation each has four degrees of freedom:

    >>> y, ones = np.array([[1.0], [2.0], [4.0], [5.0], [8.0]]), np.ones((5, 1))
    >>> found = contrasts(np.eye(1), np.array([4.0]), y - 4, ones, np.arange(5))
    >>> [round(float(part[0]), 3) for part in found]
    [4.0, 0.6, 7.4, 0.031, 4.0]
    """
    whitener = np.linalg.inv(np.linalg.cholesky(information.T @ information))
    white = combinations @ whitener.T  # combinations of whitened coefficients
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    summed = np.add.reduceat((scores @ whitener.T)[order], starts)
    rows = np.split((information @ whitener.T)[order], starts[1:])
    parts = np.array([mine.T @ mine for mine in rows])
    sizes, axes = np.linalg.eigh(parts)
    alone = sizes > 1 - CERTAIN
    scale = np.where(alone, 0.0, 1 / np.sqrt(np.where(alone, 1.0, 1 - sizes)))
    # Shape (clusters, contrasts, coefficients): the weight of each cluster score in each contrast.
    corrected = white @ ((axes * scale[:, None]) @ axes.transpose(0, 2, 1))
    variance = ((corrected @ summed[:, :, None])[:, :, 0] ** 2).sum(0)

    # Satterthwaite: the variance is a quadratic form in the scores, whose covariance the model gives.
    seen = corrected @ parts
    own = (corrected * seen).sum(2)
    inner = seen.transpose(1, 2, 0) @ seen.transpose(1, 0, 2)
    trace = own.sum(0) - inner.trace(axis1=1, axis2=2)
    square = (own**2).sum(0) - 2 * (own * (seen**2).sum(2)).sum(0) + (inner**2).sum((1, 2))
    lost = (((white @ axes) ** 2 * alone[:, None]).sum((0, 2))) > CERTAIN * (white**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(lost | (square <= 0), np.nan, trace**2 / square)
        value, error = combinations @ coefficients, np.sqrt(variance)
        half = stdtrit(freedom, 0.975) * error
        p = 2 * stdtr(freedom, -np.abs(value) / error)
    return Contrasts(value, value - half, value + half, p, freedom)
