"""Linear recurrences over the steps of sequences, forward and backward: numeric operations that know no graph.

=====================  ==========================================================================================
:func:`diagonal`       ``s_t = a_t ∘ s_{t-1} + b_t``
:func:`pair`           ``(x, y)_t = A_t (x, y)_{t-1} + (b, c)_t`` with 2x2 matrices A_t
:func:`rotation`       the same for complex numbers: ``z_t = a_t z_{t-1} + b_t``
:func:`max_plus`       ``m_t = max(f_t + m_{t-1}, i_t)``
:func:`outer`          ``S_t = a_t ∘ S_{t-1} + k_t v_tᵀ``, read as ``S_tᵀ q_t`` or ``S_{t-1}ᵀ q_t``
:func:`delta`          ``S_t = a_t ∘ S_{t-1} + k_t v_tᵀ + u_t (w_t - S_{t-1}ᵀ p_t)ᵀ``, read likewise
=====================  ==========================================================================================

All arrays have one floating dtype and are batch-first, ``(batch, steps, *inner)``, in any memory layout: a transposed
view of a time-major array is not copied needlessly, and results have the layout of the additive term. Initial and final
states are ``(batch, *inner)``. A coefficient may have size 1 along any axis, the batch and the steps included, where it
does not depend on it; its error is summed over such axes. One argument at least has the whole batch and all steps.

:class:`Order` says in which order the steps of a row are processed, and where rows end. Beyond the end of a row the
state is held, states and outputs are 0, nothing that an argument or an error holds there has an influence (also not NaN
and infinity), and errors of coefficients are 0.

Every function returns an object with the results and a method ``pull``, which takes the errors of the results (None for
those without) and returns the errors of the arguments. ``pull`` may be called several times, and changes nothing; until
then the arguments must not be changed. Errors named in ``without`` are not computed, and are None.

Sequences may be processed in blocks of steps: the final state of a block is the initial state of the next, and the
error of that initial state the error of the final state of the block before. Truncated backpropagation through time
needs nothing from here: the caller sets the errors of coefficients to zero at the steps that do not count.

``operations`` are those of the backend (:mod:`graphnet.core.operations`), which compute some cases in native code.
"""

from __future__ import annotations

from graphnet.core.recurrences.diagonal import DiagonalErrors, DiagonalStates, diagonal
from graphnet.core.recurrences.matrix import Decay, MatrixErrors, MatrixReads, Read, delta, outer
from graphnet.core.recurrences.max_plus import MaxPlusErrors, MaxPlusStates, max_plus
from graphnet.core.recurrences.order import Order
from graphnet.core.recurrences.pair import PairErrors, PairStates, pair, rotation

__all__ = [
    "Decay",
    "DiagonalErrors",
    "DiagonalStates",
    "MatrixErrors",
    "MatrixReads",
    "MaxPlusErrors",
    "MaxPlusStates",
    "Order",
    "PairErrors",
    "PairStates",
    "Read",
    "delta",
    "diagonal",
    "max_plus",
    "outer",
    "pair",
    "rotation",
]
