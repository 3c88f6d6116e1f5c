"""Finetuning of one stage: supervision, LoRA adapters, checkpoints and the model card."""
