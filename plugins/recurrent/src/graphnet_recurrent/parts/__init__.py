"""Small layers that recurrent layers are put together from."""

from graphnet_recurrent.parts.clip_error import ClipError
from graphnet_recurrent.parts.first import First
from graphnet_recurrent.parts.initial_state import InitialState
from graphnet_recurrent.parts.sequence_dropout import SequenceDropout
from graphnet_recurrent.parts.sequence_mask import SequenceMask

__all__ = ["ClipError", "First", "InitialState", "SequenceDropout", "SequenceMask"]
