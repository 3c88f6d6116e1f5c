"""A Hugging Face Llama as a GGUF file, for llama.cpp's server."""

import json
from pathlib import Path
from typing import Any

import gguf
from transformers import AutoModelForCausalLM, AutoTokenizer


def write_gguf(folder: Path, file: Path) -> Path:
    """Write the model in `folder`, whose queries and keys must be zero (they would be permuted)."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    writer = gguf.GGUFWriter(file, "llama")
    _write_shape(writer, model.config)
    _write_tokenizer(writer, AutoTokenizer.from_pretrained(folder))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        assert not (tensor.any() and name.endswith(("q_proj.weight", "k_proj.weight")))
        target = names.get_name(name, try_suffixes=(".weight",))
        assert target is not None, name
        writer.add_tensor(target, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _write_shape(writer: Any, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _write_tokenizer(writer: Any, tokenizer: Any) -> None:
    """A byte-level BPE that cuts words as GPT-2 does."""
    places = sorted((place, token) for token, place in tokenizer.get_vocab().items())
    control = set(tokenizer.added_tokens_decoder)
    kinds = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.NORMAL}
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for _, token in places])
    writer.add_token_types([kinds[place in control] for place, _ in places])
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)
