"""Steer the base model along and against a trait's vector at every layer and strength.

Only the trait's extraction questions are asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from selfsame.data.prompts import user
from selfsame.errors import UserError
from selfsame.models.steering import Steering
from selfsame.persona.questions import items_of
from selfsame.sampling.state import Speaker, stream

UNSTEERED = -1  # stands for no layer at all, at strength 0


def sweep(speaker: Speaker, vectors: torch.Tensor, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of tables.sweep_samples.SWEEP_SAMPLES without the trait's keys.

    vectors: [blocks, width]. Every layer and strength draws the same random numbers, so that they
    differ by the steering alone.
    """
    asked = [
        (item, question, number)
        for item, question in items_of(spec["extraction_questions"]).items()
        for number in range(spec["samples"])
    ]
    rows = []
    for steering in _steerings(vectors, spec):
        answers = replace(speaker, steering=steering).write(
            [user(question) for _, question, _ in asked],
            max_new_tokens=spec["max_new_tokens"],
            temperature=spec["temperature"],
            seed=stream(spec["seed"], "sweep"),
        )
        keys = _keys(steering)
        rows += [
            keys | {"item": item, "sample": number} | answer
            for (item, _, number), answer in zip(asked, answers, strict=True)
        ]
    return rows


def _steerings(vectors: torch.Tensor, spec: dict[str, Any]) -> Iterator[Steering | None]:
    yield None
    layers = range(len(vectors)) if spec["layers"] is None else spec["layers"]
    if max(layers) >= len(vectors):
        raise UserError(
            f"persona.sweep.layers: {max(layers)}, but the model has layers 0 to {len(vectors) - 1}"
        )
    for layer in layers:
        for alpha in spec["alphas"]:
            for signed in (alpha, -alpha):
                yield Steering(layer, vectors[layer], signed, spec["positions"] == "all")


def _keys(steering: Steering | None) -> dict[str, float | int]:
    if steering is None:
        return {"layer": UNSTEERED, "alpha": 0.0}
    return {"layer": steering.layer, "alpha": steering.alpha}
