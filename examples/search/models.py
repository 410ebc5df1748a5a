"""What turns texts into vectors: a small model on this machine, or a stand-in that needs neither download nor package.

With `EMBEDDING_MODEL=minishlab/potion-base-8M` (`pip install model2vec`; 30 MB, fetched once, fast on a CPU) it is that
model. A model of your own is one more `Model`.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Length of the stand-in's vectors.
DIMENSIONS = 256


@dataclass(frozen=True)
class Model:
    """A model; vectors of models of different names are never compared."""

    name: str
    embed: Callable[[Sequence[str]], list[list[float]]]


def chosen_model() -> Model:
    name = os.environ.get("EMBEDDING_MODEL")
    if not name:
        return Model(f"words-{DIMENSIONS}", lambda texts: [word_vector(text) for text in texts])
    from model2vec import StaticModel  # noqa: PLC0415 - only where it is asked for

    model = StaticModel.from_pretrained(name)
    return Model(name, lambda texts: [list(map(float, vector)) for vector in model.encode(list(texts))])


def word_vector(text: str) -> list[float]:
    """A vector of the text's words and their beginnings, of length 1: it finds words, and knows nothing of meaning."""
    vector = [0.0] * DIMENSIONS
    for word in "".join(sign if sign.isalnum() else " " for sign in text.lower()).split():
        for part in {word, word[:5]}:
            place = int.from_bytes(hashlib.blake2b(part.encode(), digest_size=4).digest(), "big")
            vector[place % DIMENSIONS] += 1.0 if place & 0x10000 else -1.0
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector
