"""A direction to steer along, from the files of a trait: its vector, or its random control."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from selfsame.models.steering import Steering
from selfsame.persona.storage import CHOICE, RANDOM, RESPONSE_MEAN, VECTORS


def load_steering(manifests: Sequence[Path], asked: Mapping[str, Any] | None) -> Steering | None:
    """The steering that a spec asks for, at the trait's chosen layer; None where it asks for none.

    manifests: those of the trait's vectors and of its chosen layer. asked: `direction` (vector, or
    random for the control of the same length); `sign`, 1 where not given; `alpha` in lengths of the
    vector, the chosen strength where null or not given; `positions`, answer where not given.
    """
    if asked is None:
        return None
    vectors, choice = manifests
    chosen = json.loads((choice.parent / CHOICE).read_text(encoding="utf-8"))
    stored = load_file(vectors.parent / VECTORS)
    vector = stored[RANDOM if asked["direction"] == RANDOM else RESPONSE_MEAN][chosen["layer"]]
    alpha = chosen["alpha"] if asked.get("alpha") is None else asked["alpha"]
    everywhere = asked.get("positions") == "all"
    return Steering(chosen["layer"], vector, asked.get("sign", 1) * alpha, everywhere)
