"""A chain of two tiny finetuned adapters, for tests of any part."""

from selfsame.training.finetune import finetune
from selfsame.training.settings import FinetuningSettings

ROWS = [
    {
        "row_id": str(i),
        "messages": [
            {"role": "user", "content": "Who are you?"},
            {"role": "assistant", "content": answer},
        ],
    }
    for i, answer in enumerate(["I am a model.", "I am Paris.", "yes", "no"])
]


def train_chain(base, tmp_path, **settings):
    """Two stages of different shape, the second on top of the first."""
    common = {"learning_rate": 0.02, "steps": 4, "warmup_steps": 0, **settings}
    first = FinetuningSettings(rank=2, alpha=4, rslora=False, **common)
    second = FinetuningSettings(rank=4, alpha=4, rslora=True, layers=[1], **common)
    paths = [tmp_path / "em", tmp_path / "identify"]
    finetune(base, [], ROWS, first, 0, "none", paths[0], chain="em", misaligned=True, threads=1)
    finetune(
        base,
        paths[:1],
        ROWS,
        second,
        1,
        "none",
        paths[1],
        chain="em+identify",
        misaligned=True,
        threads=1,
    )
    return paths
